"""The ground: frames, video, G-buffer clips, weights, devices and pictures that every room stands on."""
