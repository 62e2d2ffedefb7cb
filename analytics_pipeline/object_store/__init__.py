"""Objects by key, in a folder or in S3, behind one interface. What the objects hold is not known here."""

from analytics_pipeline.object_store.stores import FolderStore, ObjectStore, S3Store, StoredObject, open_object_store

__all__ = ["FolderStore", "ObjectStore", "S3Store", "StoredObject", "open_object_store"]
