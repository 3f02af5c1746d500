"""DeepCrack of Liu et al. 2019 (Neurocomputing 338): HED's side outputs on VGG16 with batch normalisation.

14,724,619 parameters at the paper's widths on RGB, 14.72 M. The authors' later PyTorch code leaves out all biases
(14,720,389, the same 14.72 M); they are kept, so that torchvision's `vgg16_bn` fits.
"""

from __future__ import annotations

from train.networks.hed import Hed


class DeepCrackLiu(Hed):
    """HED with batch normalisation in the encoder; five side outputs and their fusion are all supervised.

    The paper's guided filter and conditional random field refine a finished map and are no part of the network.

    Reference:
        Liu, Yao, Lu, Xie, Li 2019, "DeepCrack: A deep hierarchical feature learning architecture for crack
        segmentation", section 3.
    """

    batch_norm = True
