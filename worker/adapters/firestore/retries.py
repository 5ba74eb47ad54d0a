"""How long a call to Firestore may take, and which answers to a read are asked for again."""

from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type

RPC_SECONDS = 5.0

READ_RETRY = Retry(
    predicate=if_exception_type(
        exceptions.InternalServerError, exceptions.ServiceUnavailable, exceptions.Unknown
    ),
    initial=0.1,
    maximum=1.0,
    timeout=RPC_SECONDS,
)

#: The library cannot decode everything that a client may write: a reference into another project,
#: for one.
UNDECODABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
