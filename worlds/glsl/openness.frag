#version 330
// How much of the sky a surface sees: ten small shadow maps, one from each patch of the dome, drawn once a clip.
// Runs once a frame for each layer; all looks share it. It carries what neighbours in the picture cannot know:
// roofs, walls and trees beside and behind the camera, and the light that falls in through windows.
uniform sampler2D shapes;
uniform sampler2DShadow sky_maps;  // tiles side by side
uniform mat4 sky_projections[DIRECTIONS];
uniform vec3 sky_directions[DIRECTIONS];
uniform float sky_texel;           // metres

in vec2 ndc;
out float out_open;

#include "view.glsl"

float seen_from(int i, vec3 p) {
    vec3 q = (sky_projections[i] * vec4(p, 1)).xyz * .5 + .5;
    vec2 edge = min(q.xy, 1. - q.xy);
    float known = smoothstep(0., .05, min(edge.x, edge.y));
    vec2 size = vec2(textureSize(sky_maps, 0)), tile = vec2(size.y / size.x, 1);
    vec2 at = clamp(q.xy, .02, .98) * tile + vec2(float(i) * tile.x, 0);
    float lit = 0.;
    for (int k = 0; k < 2; k++) {
        vec2 shift = (float(k) * 2. - 1.) * ((i & 1) == 0 ? vec2(.8, .5) : vec2(-.5, .8));
        lit += texture(sky_maps, vec3(at + shift / size, q.z - .0012));
    }
    return mix(1., lit * .5, known);
}

void main() {
    vec4 s = texelFetch(shapes, ivec2(gl_FragCoord.xy), 0);
    vec3 n = normalize(s.xyz + vec3(0, 0, 1e-6)), p = eye + ray_of(ndc) * s.w + n * sky_texel * 1.2;
    float sum = 0., total = 1e-3;
    for (int i = 0; i < DIRECTIONS; i++) {
        float w = max(dot(n, sky_directions[i]) + .12, 0.);
        total += w;
        sum += w * seen_from(i, p);
    }
    out_open = sum / total;
}
