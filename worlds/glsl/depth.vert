#version 330
// Position only: the depth pre-pass and the shadow map. Same sums as geometry.vert, so that depths are equal.
uniform mat4 view_projection;
uniform mat4 poses[64];
uniform int moving;  // as in geometry.vert

in vec3 in_position;
in vec2 in_indices;

invariant gl_Position;

void main() {
    vec4 world = vec4(in_position, 1);
    for (int i = 0; i < moving; i++) world = poses[int(in_indices.y + .5)] * vec4(in_position, 1);
    gl_Position = view_projection * vec4(world.xyz, 1);
}
