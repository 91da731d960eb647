"""The originals, written a second time in plain Keras and without the zoo, to compare the zoo's networks with.

- `res_unet` and `ResUnet2D`: the two functions of the document `res-u-net.txt`, in its own order and with its own names,
  changed only where Keras 3 cannot run them and where the comment says so.
- `unet`, `deep_resunet`, `plain_bridge`: from descriptions of the papers and of the code that the entries link to.

Layers that the sources leave unnamed are numbered in the order in which the source creates them: `conv1`, `bn1`, ...
"""

from __future__ import annotations

import keras
from keras import layers, ops


class Numbered:
    """Creates layers named by kind and running number."""

    def __init__(self):
        self.counts = {}

    def __call__(self, kind, cls, *args, **kwargs):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return cls(*args, name=f"{kind}{self.counts[kind]}", **kwargs)

    def conv(self, x, width, kernel=3, stride=1, **kwargs):
        cls = kwargs.pop("cls", layers.Conv2D)
        return self("conv", cls, width, kernel, strides=stride, padding="same", **kwargs)(x)

    def bn(self, x):
        return self("bn", layers.BatchNormalization)(x)


def res_unet(filter_root, depth, input_size, activation="relu", batch_norm=True, final_activation="softmax", channels_out=1):
    """Code 1 of the document. `channels_out` is not there: the document's output always has one channel."""
    inputs = keras.Input(input_size)
    x = inputs
    long_connection_store = {}
    if len(input_size) == 3:
        conv, pooling, upsampling = layers.Conv2D, layers.MaxPooling2D, layers.UpSampling2D
    else:
        conv, pooling, upsampling = layers.Conv3D, layers.MaxPooling3D, layers.UpSampling3D

    for i in range(depth):
        out_channel = 2**i * filter_root
        res = conv(out_channel, kernel_size=1, padding="same", use_bias=False, name=f"Identity{i}_1")(x)
        conv1 = conv(out_channel, kernel_size=3, padding="same", name=f"Conv{i}_1")(x)
        if batch_norm:
            conv1 = layers.BatchNormalization(name=f"BN{i}_1")(conv1)
        act1 = layers.Activation(activation, name=f"Act{i}_1")(conv1)
        conv2 = conv(out_channel, kernel_size=3, padding="same", name=f"Conv{i}_2")(act1)
        if batch_norm:
            conv2 = layers.BatchNormalization(name=f"BN{i}_2")(conv2)
        resconnection = layers.Add(name=f"Add{i}_1")([res, conv2])
        act2 = layers.Activation(activation, name=f"Act{i}_2")(resconnection)
        if i < depth - 1:
            long_connection_store[str(i)] = act2
            x = pooling(padding="same", name=f"MaxPooling{i}_1")(act2)
        else:
            x = act2

    for i in range(depth - 2, -1, -1):
        out_channel = 2**i * filter_root
        long_connection = long_connection_store[str(i)]
        up1 = upsampling(name=f"UpSampling{i}_1")(x)
        up_conv1 = conv(out_channel, 2, activation="relu", padding="same", name=f"upConv{i}_1")(up1)
        up_conc = layers.Concatenate(axis=-1, name=f"upConcatenate{i}_1")([up_conv1, long_connection])
        up_conv2 = conv(out_channel, 3, padding="same", name=f"upConv{i}_1_")(up_conc)
        if batch_norm:
            up_conv2 = layers.BatchNormalization(name=f"upBN{i}_1")(up_conv2)
        up_act1 = layers.Activation(activation, name=f"upAct{i}_1")(up_conv2)
        up_conv2 = conv(out_channel, 3, padding="same", name=f"upConv{i}_2")(up_act1)
        if batch_norm:
            up_conv2 = layers.BatchNormalization(name=f"upBN{i}_2")(up_conv2)
        res = conv(out_channel, kernel_size=1, padding="same", use_bias=False, name=f"upIdentity{i}_1")(up_conc)
        resconnection = layers.Add(name=f"upAdd{i}_1")([res, up_conv2])
        x = layers.Activation(activation, name=f"upAct{i}_2")(resconnection)

    output = conv(channels_out, 1, padding="same", activation=final_activation, name="output")(x)
    return keras.Model(inputs, output)


def ResUnet2D(filters, input_height, input_width, BN=False, channels=3):
    """Code 2 of the document. `BN` is the default of its helper, which it never overrides; its images have 3 channels."""
    new = Numbered()

    def batch_norm_activation(x):
        if BN:
            x = new.bn(x)
        return layers.Activation("relu")(x)

    inputs = keras.Input((input_height, input_width, channels))
    conv = new.conv(inputs, filters * 1)
    conv = batch_norm_activation(conv)
    conv = new.conv(conv, filters * 1)
    shortcut = new.conv(inputs, filters * 1, kernel=1)
    shortcut = batch_norm_activation(shortcut)
    output1 = layers.add([conv, shortcut])

    def encoder(above, width):
        res = batch_norm_activation(above)
        res = new.conv(res, width, stride=2)
        res = batch_norm_activation(res)
        res = new.conv(res, width)
        shortcut = new.conv(above, width, stride=2)
        shortcut = batch_norm_activation(shortcut)
        return layers.add([shortcut, res])

    output2 = encoder(output1, filters * 2)
    output3 = encoder(output2, filters * 4)
    output4 = encoder(output3, filters * 8)
    output5 = encoder(output4, filters * 16)

    conv = batch_norm_activation(output5)
    conv = new.conv(conv, filters * 16)
    conv = batch_norm_activation(conv)
    conv = new.conv(conv, filters * 16)

    def decoder(below, skip, width):
        uconv = layers.UpSampling2D((2, 2))(below)
        uconv = layers.concatenate([uconv, skip])
        res = batch_norm_activation(uconv)
        res = new.conv(res, width)
        res = batch_norm_activation(res)
        res = new.conv(res, width)
        shortcut = new.conv(uconv, width)
        shortcut = batch_norm_activation(shortcut)
        return layers.add([res, shortcut])

    output6 = decoder(conv, output4, filters * 16)
    output7 = decoder(output6, output3, filters * 8)
    output8 = decoder(output7, output2, filters * 4)
    output9 = decoder(output8, output1, filters * 2)
    output_layer = new.conv(output9, 1, kernel=1, activation="sigmoid")
    return keras.Model(inputs, output_layer)


def unet(filters, depth, input_size, activation="relu", batch_norm=False):
    """Two 3x3 convolutions per level, max pooling; transposed convolution with activation, [up, skip]; sigmoid."""
    new = Numbered()

    def pair(x, width):
        for _ in range(2):
            x = new.conv(x, width)
            if batch_norm:
                x = new.bn(x)
            x = layers.Activation(activation)(x)
        return x

    inputs = x = keras.Input(input_size)
    skips = []
    for level in range(depth - 1):
        x = pair(x, filters << level)
        skips.append(x)
        x = layers.MaxPooling2D(2)(x)
    x = pair(x, filters << (depth - 1))
    while skips:
        skip = skips.pop()
        x = new.conv(x, skip.shape[-1], kernel=2, stride=2, activation=activation, cls=layers.Conv2DTranspose)
        x = pair(layers.Concatenate()([x, skip]), skip.shape[-1])
    return keras.Model(inputs, new.conv(x, 1, kernel=1, activation="sigmoid"))


class _Units:
    """Zhang's residual unit: BN-ReLU-conv twice beside a shortcut from the raw input."""

    def __init__(self, new, shortcut):
        self.new, self.shortcut = new, shortcut

    def stem(self, x, width):
        y = self.new.conv(x, width)
        y = self.new.conv(layers.ReLU()(self.new.bn(y)), width)
        return layers.Add()([self.around(x, width, 1), y])

    def unit(self, x, width, stride):
        y = self.new.conv(layers.ReLU()(self.new.bn(x)), width, stride=stride)
        y = self.new.conv(layers.ReLU()(self.new.bn(y)), width)
        return layers.Add()([self.around(x, width, stride), y])

    def around(self, x, width, stride):
        if self.shortcut == "none":
            x = x[:, ::stride, ::stride, :width]
            return ops.pad(x, [(0, 0), (0, 0), (0, 0), (0, width - x.shape[-1])])
        x = self.new.conv(x, width, kernel=1, stride=stride)
        return self.new.bn(x) if self.shortcut == "conv-bn" else x


def deep_resunet(filters, depth, input_size, shortcut="conv-bn", upsample="nearest"):
    """Zhang's network; `upsample="bilinear"` also changes the head to a linear 3x3 with two classes, as its code does."""
    new = Numbered()
    make = _Units(new, shortcut)
    inputs = keras.Input(input_size)
    levels = [make.stem(inputs, filters)]
    for level in range(1, depth):
        levels.append(make.unit(levels[-1], filters * 2**level, 2))
    x = levels.pop()
    while levels:
        skip = levels.pop()
        width = skip.shape[-1]
        if upsample == "nearest":
            x = layers.UpSampling2D(2)(x)
        elif upsample == "transposed":
            x = new("up", layers.Conv2DTranspose, width, 2, strides=2, padding="same")(x)
        else:
            x = layers.Resizing(skip.shape[1], skip.shape[2], interpolation="bilinear")(x)
        x = make.unit(layers.Concatenate()([x, skip]), width, 1)
    if upsample == "bilinear":
        return keras.Model(inputs, new.conv(x, 2))
    return keras.Model(inputs, new.conv(x, 1, kernel=1, activation="sigmoid"))


def plain_bridge(f, input_size):
    """The notebook's network for its list `f` of five widths, or of any other number of them."""
    new = Numbered()
    make = _Units(new, "conv-bn")
    inputs = keras.Input(input_size)
    encoded = [make.stem(inputs, f[0])]
    for width in f[1:]:
        encoded.append(make.unit(encoded[-1], width, 2))
    x = encoded.pop()
    for _ in range(2):
        x = new.conv(layers.ReLU()(new.bn(x)), f[-1])
    for skip, width in zip(reversed(encoded), reversed(f[1:]), strict=True):
        x = make.unit(layers.Concatenate()([layers.UpSampling2D(2)(x), skip]), width, 1)
    return keras.Model(inputs, new.conv(x, 1, kernel=1, activation="sigmoid"))
