#version 330
// The sky where no surface covers the whole pixel: gradient, sun disc, clouds, stars, and the haze before them.
uniform sampler2D near_shapes, far_shapes;
uniform float cloud, cloud_scale, stars, time;
uniform vec3 cloud_shade;

in vec2 ndc;
out vec4 out_light;

#include "noise.glsl"
#include "view.glsl"
#include "sky.glsl"
#include "haze.glsl"

vec3 picture(vec3 d) {
    vec3 c = sky_light(d, 0.);
    float disc = smoothstep(.9992, .9997, dot(d, sun_direction)) * (1. - cloud) * step(.01, sky_glow);
    c += sun * 6. * disc;
    float above = smoothstep(.0, .13, d.z);
    vec2 plane = d.xy / (max(d.z, 0.) + .14);
    float body = fractal(plane * cloud_scale + vec2(time * .01, 3.), 5);
    float cover = smoothstep(.72 - .45 * cloud, .95 - .38 * cloud, body + .12 * cloud) * above * min(1., cloud * 2.);
    float lit = fractal((plane + sun_direction.xy * .12) * cloud_scale + vec2(time * .01, 3.), 3);
    vec3 top = cloud_shade * mix(horizon, zenith, .25) + sun * .14 * sky_glow;
    c = mix(c, top * (1. - .5 * lit * (.4 + .6 * cloud)), cover);
    vec2 grid = d.xy / (d.z + .3) * 90., cell = floor(grid);
    vec2 place = hash22(cell) * .6 + .2 - fract(grid);
    float star = step(.97, hash12(cell + 9.)) * smoothstep(.16, .0, length(place));
    return c + stars * star * (1. - cover) * above * (.4 + hash12(cell));
}

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    float covered = length(texelFetch(near_shapes, at, 0).xyz) + length(texelFetch(far_shapes, at, 0).xyz);
    vec3 d = normalize(ray_of(ndc));
    float far = min(900., 7. / (max(d.z, 0.) + .012));  // fog lies low: less of it toward the zenith
    vec3 c = picture(d);
    float clear = exp(-fog_density * min(far, 500.));
    c = mix(fog_light(d), c, clear);
    out_light = vec4(c * (1. - min(covered, 1.)), 0.);
}
