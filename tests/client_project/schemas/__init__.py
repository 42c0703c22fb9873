"""The service's own schemas: the name of the package is the same as that of Burnline's, which is not here."""

ORDER = {"id": "int", "total": "decimal"}
