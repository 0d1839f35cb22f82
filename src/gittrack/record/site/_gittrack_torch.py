"""What makes PyTorch choose the kernels that give the same result each time."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def settle(torch: "Any") -> None:
    """Ask for deterministic algorithms; an operation that has none raises, and names itself."""
    if hasattr(torch, "use_deterministic_algorithms"):  # since 1.8
        torch.use_deterministic_algorithms(True)
    cudnn = getattr(getattr(torch, "backends", None), "cudnn", None)
    if cudnn is not None:
        cudnn.benchmark = False
        cudnn.deterministic = True
