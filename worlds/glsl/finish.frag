#version 330
// Last pass: bloom, particles in the air, exposure and tone; writes sRGB-coded 8 bit, row 0 at the top.
uniform sampler2D lights, near_shapes;
uniform float exposure, contrast, saturation, gamma, bloom, time;
uniform vec3 tint;
uniform int tone;  // 0 plain sRGB, 1 ACES-like, 2 soft film
uniform int height;

in vec2 ndc;
out vec4 out_picture;

#include "noise.glsl"
#include "view.glsl"
#include "sky.glsl"
#include "particles.glsl"

vec3 to_srgb(vec3 c) { return mix(c * 12.92, 1.055 * pow(max(c, 1e-5), vec3(1. / 2.4)) - .055, step(.0031308, c)); }

vec3 tone_of(vec3 c) {
    if (tone == 1) c = c * (2.51 * c + .03) / (c * (2.43 * c + .59) + .14);
    if (tone == 2) { c = max(c - .002, 0.); c = c * (6.2 * c + .5) / (c * (6.2 * c + 1.7) + .06); return clamp(c, 0., 1.); }
    return to_srgb(clamp(c, 0., 1.));
}

void main() {
    vec2 at = vec2(ndc.x, -ndc.y) * .5 + .5;  // turned over: read-back starts at the bottom row
    vec3 c = textureLod(lights, at, 0.).rgb;
#if BLOOM
    vec3 halo = max(textureLod(lights, at, 3.).rgb - .5, 0.) + max(textureLod(lights, at, 4.).rgb - .5, 0.);
    c += bloom * halo;
#endif
    c = particles(c, vec2(ndc.x, -ndc.y), texture(near_shapes, at).w);
    c *= exposure * tint;
    c = tone_of(c);
    c = pow(c, vec3(gamma));
    float grey = dot(c, vec3(.2126, .7152, .0722));
    c = mix(vec3(grey), c, saturation);
    c = clamp((c - .5) * contrast + .5, 0., 1.);
    out_picture = vec4(c, 1);
}
