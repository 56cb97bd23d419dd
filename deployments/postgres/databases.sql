-- Two databases on one server, each with an owner who sees nothing of the other. The image of PostgreSQL runs this once, when
-- its data directory is empty. Passwords come from the environment, so that none is in a file or in a list of processes.
\getenv catalog_password CATALOG_PASSWORD
\getenv prefect_password PREFECT_DATABASE_PASSWORD

CREATE ROLE aftertake LOGIN PASSWORD :'catalog_password';
CREATE ROLE prefect LOGIN PASSWORD :'prefect_password';

CREATE DATABASE aftertake OWNER aftertake ENCODING 'UTF8' TEMPLATE template0;
CREATE DATABASE prefect OWNER prefect ENCODING 'UTF8' TEMPLATE template0;

REVOKE ALL ON DATABASE aftertake FROM PUBLIC;
REVOKE ALL ON DATABASE prefect FROM PUBLIC;
