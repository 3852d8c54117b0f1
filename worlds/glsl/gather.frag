#version 330
// Half-size pass: how much of its surroundings a surface loses to its neighbours (a), and the light they send instead (rgb).
// Two reaches: contact shadows of a hand's width and the wide, soft darkening of corners.
uniform sampler2D shapes, radiances;
uniform float ao;

in vec2 ndc;
out vec4 out_bounce;

#include "noise.glsl"
#include "view.glsl"

const int TAPS = 14;

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy) * 2;
    vec4 s = texelFetch(shapes, at, 0);
    vec2 size = vec2(textureSize(shapes, 0)), here = (vec2(at) + .5) / size;
    vec3 n = normalize(s.xyz + vec3(0, 0, 1e-6)), p = eye + ray_of(here * 2. - 1.) * s.w;
    float turn = dot(mod(vec2(gl_FragCoord.xy), 2.), vec2(1.57, .785));
    vec3 bounce = vec3(0);
    float hidden = 0.;
    for (int i = 0; i < TAPS; i++) {
        float reach = (i & 1) == 0 ? clamp(.05 * s.w, .12, .5) : clamp(.16 * s.w, .5, 2.2);
        float a = turn + float(i) * 2.39996, r = reach * sqrt((float(i) + .5) / float(TAPS));
        vec2 to = here + vec2(cos(a), sin(a)) * r / (tangent * max(s.w, .2)) * .5;
        vec4 q = texelFetch(radiances, clamp(ivec2(to * size), ivec2(0), ivec2(size) - 1), 0);
        vec3 d = eye + ray_of(to * 2. - 1.) * q.w - p;
        float l = length(d), up_there = max(dot(d, n) / (l + .02) - .08, 0.) * step(.01, q.w);
        float near = 1. / (1. + 2. * l * l / (reach * reach)) * smoothstep(3. * reach, reach, l);
        hidden += up_there * near;
        bounce += min(q.rgb, 4.) * up_there * near;
    }
    float scale = 2.6 / float(TAPS);
    float open = exp(-hidden * scale * ao);
    out_bounce = vec4(bounce * scale * ao, open);
}
