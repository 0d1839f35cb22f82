"""Train a small network with PyTorch on the processor."""

from __future__ import annotations

import torch

import gittrack

torch.manual_seed(0)
torch.use_deterministic_algorithms(True)
features = torch.randn(1024, 16)
target = torch.sin(features[:, :1]) + 0.5 * features[:, 1:2] ** 2
network = torch.nn.Sequential(torch.nn.Linear(16, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
optimiser = torch.optim.Adam(network.parameters(), lr=0.01)

with gittrack.start_run(run_name="torch"):
    gittrack.log_params({"lr": 0.01, "hidden": 32, "seed": 0})
    for step in range(100):
        batch = torch.randint(0, len(features), (64,))
        loss = torch.nn.functional.mse_loss(network(features[batch]), target[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        gittrack.log_metric("loss", loss.item(), step=step)
    weights = {name: value.tolist() for name, value in network.state_dict().items()}
    gittrack.log_dict(weights, "weights.json")
