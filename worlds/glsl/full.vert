#version 330
// One triangle that covers the picture. `ndc` is -1..1, y up.
in vec2 in_corner;
uniform float plane;  // depth at which the triangle lies: early depth tests pick the pixels to work on
out vec2 ndc;

void main() {
    ndc = in_corner;
    gl_Position = vec4(in_corner, plane, 1);
}
