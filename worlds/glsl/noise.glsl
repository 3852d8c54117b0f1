// Noise for every pass: hashes, value noise, fractal sums and Voronoi cells, all in [0, 1].
// Octaves and cells are loops on purpose: llvmpipe skips the rest of a loop, never the body of an `if`.

float hash12(vec2 p) {
    vec3 q = fract(vec3(p.xyx) * .1031);
    q += dot(q, q.yzx + 33.33);
    return fract((q.x + q.y) * q.z);
}

vec2 hash22(vec2 p) {
    vec3 q = fract(vec3(p.xyx) * vec3(.1031, .1030, .0973));
    q += dot(q, q.yzx + 33.33);
    return fract((q.xx + q.yz) * q.zy);
}

float noise(vec2 p) {
    vec2 i = floor(p), f = fract(p);
    f = f * f * (3. - 2. * f);
    float low = mix(hash12(i), hash12(i + vec2(1, 0)), f.x);
    float high = mix(hash12(i + vec2(0, 1)), hash12(i + vec2(1, 1)), f.x);
    return mix(low, high, f.y);
}

float fractal(vec2 p, int octaves) {
    float sum = 0., weight = .5, total = 0.;
    for (int i = 0; i < octaves; i++) {
        sum += weight * noise(p);
        total += weight;
        weight *= .55;
        p = mat2(1.6, 1.2, -1.2, 1.6) * p + 7.3;  // turned each octave, so that the lattice does not show
    }
    return sum / total;
}

// Distances to the nearest and second nearest jittered point (x, y) and the nearest cell's hash (z).
vec3 cells(vec2 p) {
    vec2 base = floor(p), f = fract(p);
    float first = 8., second = 8., name = 0.;
    for (int k = 0; k < 9; k++) {
        vec2 cell = vec2(k % 3 - 1, k / 3 - 1);
        vec2 jitter = hash22(base + cell);
        float d = length(cell + .1 + .8 * jitter - f);
        second = min(second, max(d, first));
        if (d < first) name = jitter.x * .6 + jitter.y * .4;
        first = min(first, d);
    }
    return vec3(first, second, name);
}

// 1 inside [0, 1] away from a border of `width`, softened over `blur` (all in cell units).
float inside(vec2 f, vec2 width, float blur) {
    vec2 d = min(f, 1. - f);
    vec2 e = smoothstep(width - blur * .5, width + blur * .5 + 1e-4, d);
    return e.x * e.y;
}
