#version 330
// Once a scene: a material table as geometry.frag wants it, colours linear, what holds for a whole material worked out.
uniform sampler2D rows;  // as in worlds/materials.py

out vec4 out_texel;

#include "noise.glsl"

vec3 to_linear(vec3 c) { return mix(c / 12.92, pow((c + .055) / 1.055, vec3(2.4)), step(.04045, c)); }

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    vec4 row = texelFetch(rows, at, 0);
    out_texel = at.x == 1 || at.x == 2 ? vec4(to_linear(row.rgb), row.a) : row;
    if (at.x == 4) out_texel.z = hash12(row.xx + 1.7);  // the hue of its own light
}
