#version 330
// What a surface *is* at one sample: colour, normal with bumps, depth, roughness, metal, motion. No light here.
uniform sampler2D materials;  // 5 texels a row: the 20 numbers of worlds/materials.py, as materials.frag leaves them
uniform vec3 eye, forward, right, up;
uniform vec2 tangent;  // half picture size at distance 1
uniform vec2 size;     // samples

in vec3 local;
in vec3 normal;
in vec2 uv;
in vec3 before;
flat in int material;
flat in int object;

layout(location = 0) out vec4 out_colour;   // linear albedo, emission
layout(location = 1) out vec4 out_shape;    // world normal, planar depth in metres
layout(location = 2) out vec4 out_finish;   // roughness, metallic, vegetation, hue of its own light
layout(location = 3) out vec2 out_motion;   // samples to the previous place, y down

#include "noise.glsl"
#include "patterns.glsl"

// World directions in which u and v grow by one metre; exact over a triangle because position is affine in uv.
void frame_of_uv(vec3 position, vec3 n, out vec3 along_u, out vec3 along_v) {
    vec3 px = dFdx(position), py = dFdy(position);
    vec2 ux = dFdx(uv), uy = dFdy(uv);
    vec3 a = cross(py, n), b = cross(n, px);
    along_u = a * ux.x + b * uy.x;
    along_v = a * ux.y + b * uy.y;
    float scale = dot(px, a);
    scale = abs(scale) > 1e-12 ? 1. / scale : 0.;
    along_u *= scale;
    along_v *= scale;
}

void main() {
    vec4 r0 = texelFetch(materials, ivec2(0, material), 0), r1 = texelFetch(materials, ivec2(1, material), 0);
    vec4 r2 = texelFetch(materials, ivec2(2, material), 0), r3 = texelFetch(materials, ivec2(3, material), 0);
    vec4 r4 = texelFetch(materials, ivec2(4, material), 0);
    float z = 1. / gl_FragCoord.w;
    vec2 ndc = gl_FragCoord.xy / size * 2. - 1.;
    vec3 ray = forward + right * ndc.x * tangent.x + up * ndc.y * tangent.y;
    vec3 position = eye + ray * z, view = -normalize(ray), n = normalize(normal);
    n = dot(n, view) < 0. && dot(cross(dFdx(position), dFdy(position)), n) < 0. ? -n : n;  // the back of a sheet

    Surface s = Surface(r1.rgb, r2.rgb, r0.z, r0.w, r1.a, r2.a, r3.x, r4.z);
    vec2 cell = vec2(1., r4.y > 0. ? r4.y : 1.) * r0.y;
    vec2 u = uv * cell + r4.x * vec2(17.3, 9.1);
    float px = max(length(dFdx(uv) * cell), length(dFdy(uv) * cell));
    float h;
    float m = pattern(u, px, h);
#if KIND == 6
    m = clamp(m + (1. - abs(n.z)) * 2.6, 0., 1.);
#endif
    dress(u, px, m, s);
    float dirt = fractal(local.xy * .7 + local.z * vec2(.31, .53) + r4.x * 5., 3);
    vec3 albedo = mix(s.a, s.b, m) * (1. + r3.w * (dirt - .5) * 2.4);
    float rough = mix(s.rough_a, s.rough_b, m) * (1. + r3.w * (dirt - .5) * 1.2);

#if KIND != 0 && KIND != 16 && KIND != 19
    // Bumps by differences of the height in uv, never across pixels: no 2x2 blocks, and gone with distance.
    float step_size = max(.015, px * .6), hu, hv;
    pattern(u + vec2(step_size, 0), px, hu);
    pattern(u + vec2(0, step_size), px, hv);
    vec3 along_u, along_v;
    frame_of_uv(position, n, along_u, along_v);
    vec2 slope = vec2(hu - h, hv - h) / step_size * cell / r0.y * r3.y * clamp(1.3 - px * .9, 0., 1.);
    vec3 bump = along_u * slope.x + along_v * slope.y;
    float steep = length(bump);
    n = normalize(n - bump * min(1., 1.6 / max(steep, 1e-6)));
#endif
    float facing = dot(n, view);
    n = facing < .02 ? normalize(n + (.02 - facing) * view) : n;  // a visible surface faces its viewer

    out_colour = vec4(clamp(albedo, 0., 1.), s.emission);
    out_shape = vec4(n, z);
    out_finish = vec4(clamp(rough, .03, 1.), clamp(mix(s.metal_a, s.metal_b, m), 0., 1.), r3.z, s.hue);
    out_motion = vec2(before.x / before.z - ndc.x, ndc.y - before.y / before.z) * size * .5;
}
