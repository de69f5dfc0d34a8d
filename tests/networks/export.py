"""Writes the small networks beside this file, each with inputs and float outputs. Run once, with torch and skl2onnx installed.

``python export.py``: needs torch, onnxscript, scikit-learn, skl2onnx; none of them is needed to run the tests.
"""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

HERE = Path(__file__).parent
OPSETS = (9, 11, 13, 15, 17, 18, 20)
NEW = (21, 23)


class Residual(nn.Module):
    """Convolutions with batch normalisation and a residual add."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.a, self.na = nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.b, self.nb = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16)
        self.short, self.head = nn.Conv2d(8, 16, 1, stride=2), nn.Linear(16, 5)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        x = x + torch.relu(self.na(self.a(x)))
        x = torch.relu(self.nb(self.b(x)) + self.short(x))
        return self.head(x.mean((2, 3)))


class Mobile(nn.Module):
    """Depthwise and pointwise convolutions, clipped activations."""

    def __init__(self):
        super().__init__()
        parts = [nn.Conv2d(3, 12, 3, stride=2, padding=1), nn.BatchNorm2d(12), nn.ReLU6()]
        for stride in (1, 2):
            parts += [nn.Conv2d(12, 12, 3, stride=stride, padding=1, groups=12), nn.BatchNorm2d(12), nn.Hardswish(),
                      nn.Conv2d(12, 12, 1), nn.BatchNorm2d(12)]  # fmt: skip
        self.body, self.head = nn.Sequential(*parts), nn.Linear(12, 5)

    def forward(self, x):
        return self.head(nn.functional.adaptive_avg_pool2d(self.body(x), 1).flatten(1))


class Recurrent(nn.Module):
    """An LSTM both ways, a GRU, the last step."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(6, 10, batch_first=True, bidirectional=True)
        self.gru, self.head = nn.GRU(20, 12, batch_first=True), nn.Linear(12, 4)

    def forward(self, x):
        return self.head(self.gru(self.lstm(x)[0])[0][:, -1])


class Transformer(nn.Module):
    """An encoder layer over tokens, mean over the steps."""

    def __init__(self):
        super().__init__()
        self.embed, self.q, self.k, self.v, self.o = (nn.Linear(8, 16) if i == 0 else nn.Linear(16, 16) for i in range(5))
        self.n1, self.n2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.up, self.down, self.head = nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(16, 4)

    def forward(self, x):
        x = self.embed(x)
        n, t, d = x.shape
        q, k, v = (m(x).reshape(n, t, 2, d // 2).transpose(1, 2) for m in (self.q, self.k, self.v))
        a = torch.softmax(q @ k.transpose(-1, -2) / (d // 2) ** 0.5, -1) @ v
        x = self.n1(x + self.o(a.transpose(1, 2).reshape(n, t, d)))
        x = self.n2(x + self.down(nn.functional.gelu(self.up(x))))
        return self.head(x.mean(1))


class Segmenter(nn.Module):
    """Down, up by a transposed convolution and by interpolation, a class for every place."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ConvTranspose2d(8, 6, 4, stride=2, padding=1)
        self.out, self.side = nn.Conv2d(6, 3, 1), nn.Conv2d(8, 3, 1)

    def forward(self, x):
        d = torch.relu(self.down(x))
        side = nn.functional.interpolate(self.side(d), scale_factor=2, mode="bilinear", align_corners=False)
        return self.out(torch.relu(self.up(d))) + side


NETWORKS = {
    "residual": (Residual, (3, 12, 12)), "mobile": (Mobile, (3, 16, 16)), "recurrent": (Recurrent, (7, 6)),
    "transformer": (Transformer, (9, 8)), "segmenter": (Segmenter, (1, 8, 8)),
}  # fmt: skip


def settle(model, shape):
    """Running statistics of its own, as after training."""
    model.train()
    with torch.no_grad():
        for _ in range(20):
            model(torch.randn(16, *shape) * 1.5 + 0.3)
    return model.eval()


def main():
    for name, (make, shape) in NETWORKS.items():
        torch.manual_seed(0)
        model = settle(make(), shape)
        x = torch.randn(4, *shape)
        with torch.no_grad():
            np.savez_compressed(HERE / f"{name}.npz", inputs=x.numpy(), outputs=model(x).numpy())
        for opset in (*OPSETS, *NEW):
            if name == "segmenter" and opset < 11:
                continue  # half pixels came with version 11
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    new = opset in NEW
                    batch = torch.export.Dim("batch", min=1, max=4096)
                    how = {"dynamic_shapes": ({0: batch},)} if new else {"dynamic_axes": {"x": {0: "n"}, "y": {0: "n"}}}
                    torch.onnx.export(model, (x,), str(HERE / f"{name}_{opset}.onnx"), opset_version=opset, dynamo=new,
                                      input_names=["x"], output_names=["y"], external_data=False, verbose=False, **how)  # fmt: skip
                    without_traces(HERE / f"{name}_{opset}.onnx")
            except Exception as error:
                print(name, opset, str(error).strip().splitlines()[0][:100])
    pipeline()


def without_traces(path):
    """Take out what the exporter notes of its own files and folders."""
    model = onnx.load(path)
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, path)


def pipeline():
    """A scaler, a projection and a small network of scikit-learn; the probabilities are its second output."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    images, labels = load_digits(return_X_y=True)
    images = images.astype(np.float32)
    found = make_pipeline(StandardScaler(), PCA(24, random_state=0), MLPClassifier((20,), max_iter=150, random_state=0))
    found.fit(images[:1200], labels[:1200])
    (HERE / "pipeline.onnx").write_bytes(
        to_onnx(found, images[:1], target_opset=17, options={"zipmap": False}).SerializeToString()
    )
    x = images[1200:1300]
    np.savez_compressed(HERE / "pipeline.npz", inputs=x, outputs=found.predict_proba(x), labels=labels[1200:1300])


if __name__ == "__main__":
    main()
