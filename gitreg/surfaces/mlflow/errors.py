"""From gitreg's errors to MLflow's, with the codes that MLflow's clients act on.

No code of the 5xx kind is among them: MLflow's REST client repeats those for minutes, and what was refused stays so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gitreg.errors import AlreadyExists, Bug, GitregError, LostRace, NotFound, Refused, Undecided


@contextmanager
def as_mlflow() -> Iterator[None]:
    """Raises nothing but MlflowException, whatever the block raises.

    What gitreg does not raise on purpose (a full disk, a bug) would be an answer 500 of MLflow's server. It is in the
    log with its traceback, which no client sees, and is no answer to what was asked: ABORTED.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException:
        raise
    except GitregError as error:
        text = f"{error.message} ({error.hint})" if error.hint else error.message
        raise _mlflow_error(text, code_of(error)) from error
    except Exception as error:
        import logging

        what = f"{type(error).__name__}: {error}"
        logging.getLogger("gitreg.mlflow").error("not foreseen: %s", what, exc_info=error)
        raise _mlflow_error(f"gitreg failed: {what} (its log has more)", code_of(Bug(what))) from error


def _mlflow_error(text: str, code: str) -> Exception:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import ErrorCode

    return MlflowException(text, ErrorCode.Value(code))


def code_of(error: GitregError) -> str:
    """The name of MLflow's error code for an error (https://mlflow.org/docs/latest/api_reference/rest-api.html)."""
    match error:
        case NotFound():
            return "RESOURCE_DOES_NOT_EXIST"
        case LostRace():
            return "RESOURCE_CONFLICT"
        case AlreadyExists():
            return "RESOURCE_ALREADY_EXISTS"
        case Refused():
            return "PERMISSION_DENIED"
        case Undecided() | Bug():
            return "ABORTED"
    return "INVALID_PARAMETER_VALUE"
