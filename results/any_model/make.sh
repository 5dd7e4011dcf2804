#!/bin/sh
# Makes what the sweep starts from, runs it, writes the page: sh make.sh (ROBUST_DATA holds CIFAR-10 and Tiny-ImageNet).
set -eu
cd "$(dirname "$0")"
export ROBUST_CONF=conf
train="optimizer=adam lr_scheduler=one_cycle trainer.threads=1 evaluation=none technique=natural"
robust train sweep=any_model model=fast
robust export runs --out files --formats onnx
mv files/*fast*.onnx files/fast.onnx
# a checkpoint of RobustBench's format
robust train $train data=cifar10 data.per_class=500 data.shuffle=true augment=crop_flip trainer.max_epochs=8 \
    model=robustbench model.architecture=wide_resnet_28_1 optimizer.lr=0.004 runs_dir=files/wide
robust export files/wide --out files --formats robustbench
mv files/models/cifar10/Linf/*.pt files/wide_resnet.pt
# timm's network, trained on 50 classes of Tiny-ImageNet, to be fine-tuned
robust train $train data=tiny_imagenet data.num_classes=50 data.per_class=200 trainer.max_epochs=4 \
    model=timm model.architecture=resnet10t model.size=64 runs_dir=files/timm
mv files/timm/tiny* files/tiny
robust train sweep=any_model
robust report runs --out report
