#version 330
// Nothing to draw: only depth is wanted.
void main() {}
