#version 330
// Second lighting pass, once for each layer: ambient light with its occlusion and bounce, mirrors, highlights, haze.
uniform sampler2D colours, shapes, finishes, radiances, mirrored, bounces, near_shapes, openness;
uniform vec4 lamp_places[12];
uniform vec3 lamp_colours[12];
uniform int lamp_count;
uniform float lamp, bounce;
uniform int last_level;  // of `mirrored`: one texel, the mean of the picture

in vec2 ndc;
out vec4 out_light;  // linear radiance times the layer's share of the pixel (added up by blending)

#include "noise.glsl"
#include "view.glsl"
#include "sky.glsl"
#include "haze.glsl"

// The half-size bounce, smoothed over surfaces of the same depth and direction.
vec4 bounce_at(vec3 n, float z) {
    vec4 sum = vec4(0, 0, 0, 1e-3);
    float total = 1e-3;
    ivec2 base = ivec2(gl_FragCoord.xy) / 2, last = textureSize(bounces, 0) - 1;
    for (int k = 0; k < 9; k++) {
        ivec2 at = clamp(base + ivec2(k % 3 - 1, k / 3 - 1), ivec2(0), last);
        vec4 s = texelFetch(near_shapes, at * 2, 0);
        float w = max(dot(s.xyz, n), 0.) * exp(-24. * abs(s.w - z) / z) + 1e-5;
        sum += w * texelFetch(bounces, at, 0);
        total += w;
    }
    return sum / total;
}

// Short march through the picture; a: 1 where something was met.
vec4 mirror(vec3 p, vec3 n, vec3 r, float rough, float z) {
    float stride = .06 * z + .04;
    vec3 q = p + n * .03 * z;
    vec4 found = vec4(0);
    vec2 place = vec2(0);
    ivec2 last = textureSize(mirrored, 0) - 1;
    int steps = rough < .62 ? 12 : 0, hits = 0;
    for (int i = 0; i < steps; i++) {
        q += r * stride;
        vec3 t = project(q);
        if (t.z < .05 || t.x < 0. || t.y < 0. || t.x > 1. || t.y > 1.) break;
        float depth = texelFetch(mirrored, clamp(ivec2(t.xy * vec2(last + 1)), ivec2(0), last), 0).w;
        if (depth > 0. && t.z > depth && t.z < depth + stride * 1.6 + .3) {
            vec2 rim = min(t.xy, 1. - t.xy);
            found.a = smoothstep(0., .08, min(rim.x, rim.y));
            place = t.xy;
            hits = 1;
            break;
        }
        stride *= 1.33;
    }
    // once and not at every step: llvmpipe pays for an untaken branch, not for a loop without turns
    for (int i = 0; i < hits; i++) found.rgb = textureLod(mirrored, place, rough * 4.).rgb;
    return found * vec4(1, 1, 1, smoothstep(.62, .4, rough));
}

// Surroundings that the picture does not show, so that metal has something to reflect.
vec3 surroundings(vec3 r, float rough, vec3 mean, float open, vec3 about) {
    float around = atan(r.y, r.x);
    float line = .1 + .16 * noise(vec2(around * 2.5, 3.)) + .06 * noise(vec2(around * 9., 1.));
    float soft = .02 + .5 * rough;
    float below = smoothstep(line + soft, line - soft, r.z);
    vec3 outside = mix(sky_light(r, rough) * ambient, (mean + .1 * about) * (.55 + .5 * noise(vec2(around * 5., r.z * 5.))), max(below * .8, .75 * (1. - smoothstep(0., .5, open))));
    float panel = smoothstep(.45, .6, noise(vec2(around * 2., r.z * 3.))) * (1. - rough);
    vec3 walls = mean * .7 + .14 * about + (horizon + zenith + ground) * .22 * ambient;
    vec3 room = walls * mix(.55, 1.9, mix(panel, .4, rough)) * (.75 + .35 * r.z);
    return mix(outside, room, indoor);
}

float ggx(float nh, float rough) {
    float a2 = max(rough * rough, .003);
    a2 *= a2;
    float d = nh * nh * (a2 - 1.) + 1.;
    return min(a2 / (3.1416 * d * d), 80.);
}

// Mirror images of the lamps; `about` gets the light that they throw on everything around p.
vec3 highlights(vec3 p, vec3 n, vec3 v, vec3 f0, float rough, out vec3 about) {
    vec3 sum = vec3(0);
    about = vec3(0);
    for (int i = 0; i < lamp_count; i++) {
        vec3 d = lamp_places[i].xyz - p;
        float l2 = dot(d, d), reach2 = lamp_places[i].w * lamp_places[i].w;
        vec3 l = d * inversesqrt(l2);
        float power = min(.0625 * reach2 / (l2 + .15), 12.) * step(l2, reach2);
        about += lamp_colours[i] * min(power, 1.) * lamp;
        sum += lamp_colours[i] * max(dot(n, l), 0.) * power * ggx(max(dot(n, normalize(l + v)), 0.), max(rough, .12));
    }
    return sum * lamp * f0 * .8;
}

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    vec4 c = texelFetch(colours, at, 0), s = texelFetch(shapes, at, 0), f = texelFetch(finishes, at, 0);
    float weight = length(s.xyz), z = s.w, rough = f.x, metal = f.y;
    vec3 ray = ray_of(ndc), p = eye + ray * z, v = -normalize(ray), n = s.xyz / max(weight, 1e-4);
    vec3 albedo = c.rgb, diffuse = albedo * (1. - metal), f0 = mix(vec3(.04), albedo, metal);
    vec4 near = bounce_at(n, z);
    vec3 mean = min(texelFetch(mirrored, ivec2(0), last_level).rgb, 2.);

    float open = texelFetch(openness, at, 0).r;
    vec3 low = mix(ground, mean, .5 * bounce);
    vec3 around = ambient_light(n, low, open) + mean * .35 * bounce * indoor;
    vec3 light = texelFetch(radiances, at, 0).rgb - ambient_light(n, ground, open) * .6 * albedo * (1. - .6 * metal);
    light *= mix(1., near.a, .25);  // lamps and wide lights cast no shadows: corners still need some
    light += diffuse * (around * near.a + near.rgb * bounce);

    float nv = max(dot(n, v), .03), facing = max(dot(n, sun_direction), 0.);
    vec3 h = normalize(sun_direction + v), r = reflect(-v, n);
    vec3 fresnel = f0 + (1. - f0) * pow(1. - max(dot(v, h), 0.), 5.);
    float k = (rough + 1.) * (rough + 1.) * .125;
    float shadowing = 1. / (4. * (nv * (1. - k) + k) * (facing * (1. - k) + k));
    light += sun * fresnel * min(ggx(max(dot(n, h), 0.), rough) * shadowing * 3.1416 * facing, 40.) * f.z;
    vec3 about;
    light += highlights(p, n, v, f0, rough, about);

    // split-sum approximation of the environment's reflection (Karis)
    vec4 t = rough * vec4(-1, -.0275, -.572, .022) + vec4(1, .0425, 1.04, -.04);
    float bend = min(t.x * t.x, exp2(-9.28 * nv)) * t.x + t.y;
    vec2 ab = vec2(-1.04, 1.04) * bend + t.zw;
    vec4 met = mirror(p, n, r, rough, z);
    vec3 seen = mix(surroundings(r, rough, mean, open, about) + wide_glint(r, rough), met.rgb, met.a);
    light += seen * (f0 * ab.x + ab.y) * mix(near.a, 1., .35 * metal + .4 * c.a);

    out_light = vec4(haze(max(light, 0.), -v, z * length(ray)) * weight, weight);
}
