#version 330
// Sorts the samples of a pixel into a near and a far surface, so that light is computed once for each
// and silhouettes still have the four steps of the box filter. Each layer's weight is its normal's length.
// SAMPLES: per side of a pixel; a constant, as llvmpipe divides integers one by one.
uniform sampler2D colours, shapes, finishes;

layout(location = 0) out vec4 near_colour;
layout(location = 1) out vec4 near_shape;
layout(location = 2) out vec4 near_finish;
layout(location = 3) out vec4 far_colour;
layout(location = 4) out vec4 far_shape;
layout(location = 5) out vec4 far_finish;

void main() {
    ivec2 corner = ivec2(gl_FragCoord.xy) * SAMPLES;
    int total = SAMPLES * SAMPLES;
    vec3 n0 = vec3(0), n1 = vec3(0);
    float z0 = 1e9, z1 = 0.;
    for (int i = 0; i < total; i++) {
        vec4 s = texelFetch(shapes, corner + ivec2(i % SAMPLES, i / SAMPLES), 0);
        if (s.w > 0. && s.w < z0) { z0 = s.w; n0 = s.xyz; }
        if (s.w > z1) { z1 = s.w; n1 = s.xyz; }
    }
    // one surface: hardly any step in depth; a crease counts as two when the samples face apart
    bool apart = z1 > z0 * 1.06 + .02 || dot(n0, n1) < .6;
    vec4 c[2] = vec4[2](vec4(0), vec4(0)), f[2] = vec4[2](vec4(0), vec4(0)), g[2] = vec4[2](vec4(0), vec4(0));
    vec2 count = vec2(0);
    for (int i = 0; i < total; i++) {
        ivec2 at = corner + ivec2(i % SAMPLES, i / SAMPLES);
        vec4 s = texelFetch(shapes, at, 0);
        if (s.w <= 0.) continue;
        float step_far = abs(s.w - z1) / z1 + 1. - dot(s.xyz, n1), step_near = abs(s.w - z0) / z1 + 1. - dot(s.xyz, n0);
        float far = apart && step_far < step_near ? 1. : 0.;
        vec4 a = texelFetch(colours, at, 0), b = texelFetch(finishes, at, 0), d = vec4(s.xyz, s.w);
        c[0] += (1. - far) * a; c[1] += far * a;
        f[0] += (1. - far) * b; f[1] += far * b;
        g[0] += (1. - far) * d; g[1] += far * d;
        count += vec2(1. - far, far);
    }
    vec2 inverse = 1. / max(count, 1.), weight = count / float(total);
    near_colour = c[0] * inverse.x; near_finish = f[0] * inverse.x;
    far_colour = c[1] * inverse.y; far_finish = f[1] * inverse.y;
    near_shape = vec4(normalize(g[0].xyz + vec3(0, 0, 1e-6)) * weight.x, g[0].w * inverse.x);
    far_shape = vec4(normalize(g[1].xyz + vec3(0, 0, 1e-6)) * weight.y, g[1].w * inverse.y);
    // Depth tests of the later passes read this: .1 sky alone, .3 near and sky, .5 near, .7 near and far, .9 all three.
    float covered = weight.x + weight.y;
    gl_FragDepth = weight.y > 0. ? (covered < .999 ? .9 : .7) : weight.x > 0. ? (covered < .999 ? .3 : .5) : .1;
}
