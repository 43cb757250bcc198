"""Hubs as artifact repositories: `mlflow.pyfunc.load_model("hf://owner/name")`.

MLflow imports this module when it is imported itself, so nothing stands here that could be slow or
could fail. The rest is imported when a model is asked for.
"""

from __future__ import annotations

from mlflow.store.artifact.artifact_repo import ArtifactRepository


class HubArtifactRepository(ArtifactRepository):
    """A preset on a hub, seen as the folder of an MLflow model; it is read only.

    Its `artifact_uri` is a handle, or the beginning of one, for MLflow splits the last part off.
    """

    def download_artifacts(self, artifact_path: str, dst_path: str | None = None) -> str:
        """Make a model's folder, or give one file of it.

        Args:
            artifact_path: The rest of the handle, a path in the model, or both.
            dst_path: A folder to copy to; by default a new one whose large files are links.

        Returns:
            The path on this machine.
        """
        from fnet_mlflow.hubs.models import download

        return str(download(self.artifact_uri, artifact_path, dst_path))

    def list_artifacts(self, path: str | None = None) -> list:
        """List what lies directly in a folder of the model.

        Args:
            path: As `artifact_path` above.
        """
        from fnet_mlflow.hubs.models import list_folder

        return list_folder(self.artifact_uri, path or "")

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Refuse: a hub is read, not written."""
        self.log_artifacts(local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Refuse: a hub is read, not written."""
        raise NotImplementedError(
            f"Models are read from a hub, not written. Received: {self.artifact_uri}"
        )
