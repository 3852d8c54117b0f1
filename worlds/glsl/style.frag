#version 330
// First lighting pass, once for each layer: weather changes the surface, then light that arrives directly is summed
// (sun through the shadow map, lamps, wide lights, its own glow). The result also feeds bounces and reflections.
uniform sampler2D colours, shapes, finishes, openness;
uniform sampler2DShadow shadow_map;
uniform mat4 shadow_projection;
uniform float shadow_texel, shadow_soft, shadow;  // metres, metres, 0..1
uniform vec4 lamp_places[12];                     // position, range
uniform vec3 lamp_colours[12];
uniform int lamp_count;
uniform float lamp, neon, glow;
uniform vec3 glow_colour;
uniform float wet, snow, autumn, magic, caustics, time;

in vec2 ndc;
layout(location = 0) out vec4 out_colour;    // albedo after weather, puddle
layout(location = 1) out vec4 out_shape;     // normal * layer weight, planar depth
layout(location = 2) out vec4 out_finish;    // roughness, metallic, sun visibility, vegetation
layout(location = 3) out vec4 out_radiance;  // diffuse light that leaves the surface, planar depth

#include "noise.glsl"
#include "view.glsl"
#include "sky.glsl"

struct Material { vec3 albedo, normal, light; float rough, metal, green, emission, puddle; };

vec3 rainbow(float h) { return clamp(abs(fract(h + vec3(0., 2. / 3., 1. / 3.)) * 6. - 3.) - 1., 0., 1.); }
float grey(vec3 c) { return dot(c, vec3(.2126, .7152, .0722)); }

#if AUTUMN
// Leaves turn by how green and how bright they are, so that the change can be told from the surface alone.
void turn_leaves(vec3 p, inout Material m) {
    float bright = grey(m.albedo), t = clamp(bright * 7. + 1.3 * (noise(p.xy * .25 + p.z * .2) - .5), 0., 1.);
    vec3 leaf = mix(vec3(.34, .035, .012), mix(vec3(.62, .17, .015), vec3(.75, .42, .04), smoothstep(.5, 1., t)), smoothstep(.0, .55, t));
    float leafy = max(m.green, smoothstep(.02, .1, m.albedo.g - max(m.albedo.r, m.albedo.b)) * .85);
    m.albedo = mix(m.albedo, leaf * (.45 + bright * 2.6), leafy * autumn);
    float spots = smoothstep(.5, .62, noise(p.xy * 4.1) * .6 + noise(p.xy * 11.) * .4);
    float lying = smoothstep(.75, .92, m.normal.z) * (1. - leafy) * (1. - m.metal) * autumn;
    vec3 fallen = mix(vec3(.5, .13, .015), vec3(.62, .34, .05), noise(p.xy * 9. + 5.));
    m.albedo = mix(m.albedo, fallen, lying * (.25 + .55 * spots));
    m.rough = mix(m.rough, .85, lying * .6);
}
#endif

#if SNOW
void cover_with_snow(vec3 p, inout Material m) {
    float c = smoothstep(.25, .7, m.normal.z + .22 * (fractal(p.xy * .9, 3) - .5)) * snow;
    m.albedo = mix(mix(m.albedo, vec3(.75), .12 * snow), vec3(.86, .89, .94), c);
    m.normal = normalize(mix(m.normal, vec3(0, 0, 1), .5 * c));
    m.rough = mix(m.rough, .7, c);
    m.metal *= 1. - c;
    m.emission *= 1. - c;
}
#endif

#if WET
void soak(vec3 p, inout Material m) {
    float lying = smoothstep(.82, .97, m.normal.z);
    m.puddle = lying * smoothstep(.4, .62, fractal(p.xy * .4 + 2., 3)) * wet;
    m.albedo *= mix(1., .5, wet * (1. - m.metal) * m.rough);
    m.rough = mix(m.rough, m.rough * .42 + .03, wet);
    m.rough = mix(m.rough, .06, m.puddle);
    m.normal = normalize(mix(m.normal, vec3(0, 0, 1), max(m.puddle, .5 * lying * wet)));
}
#endif

float sun_visibility(vec3 p, vec3 n) {
    vec3 q = (shadow_projection * vec4(p + n * shadow_texel * 1.7, 1)).xyz * .5 + .5;
    vec2 reach = vec2(max(shadow_soft, shadow_texel * .7) / shadow_texel) / vec2(textureSize(shadow_map, 0));
    float sum = 0.;
    for (int i = 0; i < SHADOW_TAPS; i++) {
        float a = float(i) * 2.39996, r = sqrt((float(i) + .5) / float(SHADOW_TAPS));
        sum += texture(shadow_map, vec3(q.xy + vec2(cos(a), sin(a)) * r * reach, q.z - .0004));
    }
    vec2 rim_distance = min(q.xy, 1. - q.xy);
    float known = smoothstep(0., .04, min(rim_distance.x, rim_distance.y));
    return mix(1., sum / float(SHADOW_TAPS), known * shadow);
}

// Inverse-square light of the lamps, cut off at their range; a lamp gives about 1 at a quarter of it.
vec3 lamp_light(vec3 p, vec3 n) {
    vec3 sum = vec3(0);
    for (int i = 0; i < lamp_count; i++) {
        vec3 d = lamp_places[i].xyz - p;
        float reach2 = lamp_places[i].w * lamp_places[i].w, l2 = dot(d, d), rest = max(1. - l2 * l2 / (reach2 * reach2), 0.);
        float facing = max(dot(n, d) * inversesqrt(l2), 0.) * .9 + .1;  // a bulb and its bounce are not a point
        sum += lamp_colours[i] * facing * rest * rest * min(.0625 * reach2 / (l2 + .15), 12.);
    }
    return sum * lamp;
}

float wrapped(vec3 n, vec3 l) { float x = dot(n, l) * .6 + .4; return max(x, 0.) * max(x, 0.); }

void main() {
    ivec2 at = ivec2(gl_FragCoord.xy);
    vec4 c = texelFetch(colours, at, 0), s = texelFetch(shapes, at, 0), f = texelFetch(finishes, at, 0);
    float weight = length(s.xyz);
    vec3 p = eye + ray_of(ndc) * s.w;
    Material m = Material(c.rgb, s.xyz / max(weight, 1e-4), vec3(0), f.x, f.y, f.z, c.a, 0.);
#if AUTUMN
    turn_leaves(p, m);
#endif
#if SNOW
    cover_with_snow(p, m);
#endif
#if WET
    soak(p, m);
#endif
    float facing = max(dot(m.normal, sun_direction), 0.), visible = 0.;
#if SUN
    visible = sun_visibility(p, m.normal);
#endif
    vec3 light = sun * facing * visible + key * wrapped(m.normal, key_direction) + rim * wrapped(m.normal, rim_direction);
    light += lamp_light(p, m.normal);
    vec3 diffuse = m.albedo * (1. - m.metal);
    vec3 own = mix(glow_colour, rainbow(f.w) * 1.3, neon) * (m.emission * glow);
#if CAUSTICS
    vec2 q = p.xy * .55 + p.z * .25;
    float warp = fractal(q + time * .12, 2);
    float web = pow(1. - abs(sin(6. * warp + q.x + time * .5)), 4.) + pow(1. - abs(sin(7. * warp + q.y - time * .4)), 4.);
    light += web * (.35 + .65 * max(m.normal.z, 0.)) * vec3(.45, 1., 1.) * caustics;
#endif
#if MAGIC
    float veins = m.green * smoothstep(.55, .75, noise(p.xy * 1.7 + p.z * 1.9)) * (1. - .8 * smoothstep(.5, .9, m.normal.z));
    vec3 tint = mix(vec3(.05, .9, .75), vec3(.35, .3, 1.), noise(p.xy * .3));
    own += magic * tint * (.8 * veins + m.green * min(grey(m.albedo), .12) * 1.4 + .05 * smoothstep(2.5, 0., p.z));
#endif
    out_colour = vec4(m.albedo, m.puddle);
    out_shape = vec4(m.normal * weight, s.w);
    out_finish = vec4(m.rough, m.metal, visible, m.green);
    // a first guess of the ambient share is in here for bounces and mirrors; shade.frag takes it out again
    vec3 guess = ambient_light(m.normal, ground, texelFetch(openness, at, 0).r) * .6 * m.albedo * (1. - .6 * m.metal);
    out_radiance = vec4(min(diffuse * light + own + guess, 60.), s.w);
}
