#version 330
// Puts a vertex into the world and the picture, and remembers where it was one frame ago.
uniform mat4 view_projection;
uniform mat4 previous_view_projection;
uniform mat4 poses[64];
uniform mat4 previous_poses[64];
uniform int moving;  // 1, or 0 for what stands still: llvmpipe pays for an untaken branch, not for a loop without turns

in vec3 in_position;
in vec3 in_normal;
in vec2 in_uv;
in vec2 in_indices;  // material, object

invariant gl_Position;
out vec3 local;        // object space: textures stick to moving things
out vec3 normal;       // world space, not yet unit
out vec2 uv;           // metres along the surface
out vec3 before;       // previous clip position without its z
flat out int material;
flat out int object;

void main() {
    object = int(in_indices.y + .5);
    material = int(in_indices.x + .5);
    vec4 world = vec4(in_position, 1), earlier = world;
    normal = in_normal;
    for (int i = 0; i < moving; i++) {
        world = poses[object] * vec4(in_position, 1);
        earlier = previous_poses[object] * vec4(in_position, 1);
        normal = mat3(poses[object]) * in_normal;
    }
    gl_Position = view_projection * vec4(world.xyz, 1);
    local = in_position;
    uv = in_uv;
    before = (previous_view_projection * vec4(earlier.xyz, 1)).xyw;
}
