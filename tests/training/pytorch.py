"""Goes on from step 20 in a folder as the official training does, and writes step 21."""

import sys
from pathlib import Path

import torch

folder = Path(sys.argv[1])


def load(name):
    return torch.load(folder / f"{name}_000020.pth", map_location="cpu", weights_only=True)


network, discriminator, saved = load("gen"), load("dis"), load("opt")
assert saved["epoch"] == 0 and saved["iteration"] == 20
assert len(network) == 216 and len(discriminator) == 17
assert network["transformers.transformer.0.attention.valid_ind_rolled"].dtype == torch.int64


def resume(state, letter):
    """Adam and the schedule over the parameters of a state dict."""
    parameters = [
        torch.nn.Parameter(value)
        for key, value in state.items()
        if value.is_floating_point() and not key.endswith(("weight_u", "weight_v"))
    ]
    adam = torch.optim.Adam(parameters, lr=1e-4, betas=(0.0, 0.99))
    adam.load_state_dict(saved[f"optim{letter}"])
    schedule = torch.optim.lr_scheduler.MultiStepLR(adam, [400_000], gamma=0.1)
    schedule.load_state_dict(saved[f"sche{letter}"])
    assert schedule.last_epoch == 20 and schedule.milestones == {400_000: 1}
    return parameters, adam, schedule


parameters_g, adam_g, schedule_g = resume(network, "G")
assert sorted(adam_g.state_dict()["state"]) == [100, 101, 102]
parameters, adam, schedule = resume(discriminator, "D")
before = [parameter.detach().clone() for parameter in parameters]
for parameter in parameters:
    parameter.grad = torch.ones_like(parameter)
adam.step()
schedule.step()
assert all((a != b).all() for a, b in zip(before, parameters))

torch.save(network, folder / "gen_000021.pth")
torch.save(discriminator, folder / "dis_000021.pth")
state = {
    "epoch": 0,
    "iteration": 21,
    "optimG": adam_g.state_dict(),
    "optimD": adam.state_dict(),
    "scheG": schedule_g.state_dict(),
    "scheD": schedule.state_dict(),
}
torch.save(state, folder / "opt_000021.pth")
