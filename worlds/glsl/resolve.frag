#version 330
// Box filter of the samples of a pixel: what the G-buffer hands out. Row 0 is the top of the picture.
// SAMPLES: per side of a pixel, a constant as in layers.frag.
uniform sampler2D colours, shapes, finishes, motions;
uniform int height;
uniform mat3 world_to_camera;
uniform mat3 sky_turn;       // a camera-space direction of this frame, in the previous frame's camera
uniform vec2 tangent;
uniform vec2 pixels;

in vec2 ndc;
layout(location = 0) out vec4 out_colour;  // linear albedo, emission; 0 in the sky
layout(location = 1) out vec4 out_shape;   // camera normal, planar depth (0 in the sky)
layout(location = 2) out vec4 out_finish;  // roughness, metallic, vegetation, covered share of the pixel
layout(location = 3) out vec2 out_motion;  // pixels to the previous place, y down

vec2 motion_of_sky() {
    vec2 here = vec2(ndc.x, -ndc.y);
    vec3 there = sky_turn * vec3(here * tangent, -1.);
    return (there.xy / -there.z / tangent - here) * vec2(1, -1) * pixels * .5;
}

void main() {
    ivec2 corner = ivec2(gl_FragCoord.x, height - 1 - int(gl_FragCoord.y)) * SAMPLES;
    vec4 colour = vec4(0), finish = vec4(0), shape = vec4(0);
    vec2 motion = vec2(0);
    float count = 0., nearest = 1e9;
    for (int i = 0; i < SAMPLES * SAMPLES; i++) {
        ivec2 at = corner + ivec2(i % SAMPLES, i / SAMPLES);
        vec4 s = texelFetch(shapes, at, 0);
        bool on = s.w > 0.;  // else the other textures hold what an earlier frame left there
        count += on ? 1. : 0.;
        colour += on ? texelFetch(colours, at, 0) : vec4(0);
        finish += on ? texelFetch(finishes, at, 0) : vec4(0);
        motion += on ? texelFetch(motions, at, 0).xy : vec2(0);
        shape += on ? vec4(s.xyz, 1. / max(s.w, 1e-6)) : vec4(0);
    }
    float covered = count / float(SAMPLES * SAMPLES);
    float keep = covered < .5 ? 0. : 1. / count;
    vec3 n = world_to_camera * shape.xyz;
    out_colour = colour * keep;
    out_shape = vec4(keep * n * inversesqrt(max(dot(n, n) * keep * keep, 1e-9)), keep > 0. ? count / shape.w : 0.);
    out_finish = vec4(finish.xyz * keep, covered);
    out_motion = keep > 0. ? motion * keep / float(SAMPLES) : motion_of_sky();
}
