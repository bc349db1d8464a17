"""Every setting of every service, read from the environment (prefix FRAUD_, `__` between levels), `.env` or secret files.

Only modules of `cli` read these. A new setting is one field here and one line in `.env.example`.
"""

import os
import re
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

from fraud.errors import UsageError


class Settings(BaseSettings):
    """Where things are and how much of them; what is decided lives in `config/rules.yaml`, not here."""

    model_config = SettingsConfigDict(
        env_prefix="FRAUD_",
        env_nested_delimiter="__",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    log: str = Field("kafka://127.0.0.1:9092", description="kafka://host:port,... or embedded:DIR (the embedded log)")
    kafka_username: str | None = Field(None, description="SASL user (SCRAM-SHA-512) when the brokers ask for one")
    kafka_password: SecretStr | None = None
    kafka_security_protocol: str = Field("PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
    kafka_sasl_mechanism: str = "SCRAM-SHA-512"
    kafka_ca_file: Path | None = None
    store: SecretStr = Field(
        SecretStr("mongodb://127.0.0.1:27017/fraud"), description="mongodb://, sqlite:/// or postgresql+psycopg:// URL"
    )
    data_dir: str = Field("storage", description="folder or pyarrow filesystem URL of Parquet, objects and checkpoints")
    checkpoint_dir: Path | None = Field(None, description="folder of checkpoints; data_dir/checkpoints by default")
    checkpoint_seconds: float = Field(900.0, gt=0, description="a changed partition is checkpointed after so long")
    rules_file: Path = Field(
        Path("config/rules.yaml"), description="the file that analysts edit and the watcher publishes"
    )
    token_key: SecretStr | None = Field(
        None,
        description="secret that `tokenise` of a mapping hashes foreign ids with; the same key gives the same tokens",
    )
    group: str = Field("fraud", description="consumer group")
    member: str | None = Field(None, description="static member name of a fixed container")
    partitions: int = Field(12, ge=1, le=1000, description="partitions of topic `transactions` when it is created")
    batch_size: int = Field(5_000, ge=1, description="records of one poll at most")
    stall_seconds: float = Field(
        300.0, gt=0, description="a consumer whose loop makes no progress for so long ends itself"
    )
    metrics_port: int = Field(0, ge=0, le=65535, description="Prometheus and /healthz; 0 is off")
    metrics_host: str = "127.0.0.1"
    log_format: str = Field("console", description="console or json")
    failpoints: str | None = Field(None, description="faults that a test asks for, see storage/failpoints.py")
    secrets_dir: Path | None = Field(
        None,
        description="folder of secret files, one setting each, named like fraud_store; read where nothing else says",
    )

    @field_validator("group")
    @classmethod
    def _names_a_folder(cls, group: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", group):
            raise ValueError(
                f"{group!r} names no folder of checkpoints: use letters, digits, dots, dashes and underscores"
            )
        return group

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before `.env` before secret files; the folder itself is named by the environment."""
        folder = os.environ.get("FRAUD_SECRETS_DIR")
        if not folder:
            return init_settings, env_settings, dotenv_settings
        if not Path(folder).is_dir():
            raise UsageError(
                f"FRAUD_SECRETS_DIR names {folder}, which is not a folder: create it or unset the variable"
            )
        secrets = SecretsSettingsSource(settings_cls, secrets_dir=folder)
        return init_settings, env_settings, dotenv_settings, secrets
