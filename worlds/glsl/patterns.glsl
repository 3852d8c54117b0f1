// The 20 procedural patterns of the material table; KIND picks one per compiled program.
//   float pattern(vec2 u, float px, out float h)  blend from colour A (0) to B (1), and height h in cells
//   void dress(vec2 u, float px, float m, inout Surface s)   per-cell colour, roughness, emission
// u: cells, px: size of a pixel in cells (details must be gone when px reaches 1).

struct Surface {
    vec3 a, b;          // linear colours
    float rough_a, rough_b, metal_a, metal_b;
    float emission, hue;
};

#if KIND == 0  // solid
float pattern(vec2 u, float px, out float h) { h = 0.; return 0.; }
void dress(vec2 u, float px, float m, inout Surface s) {}

#elif KIND == 1  // checker, box filtered exactly
float pattern(vec2 u, float px, out float h) {
    float w = max(px, .01);
    vec2 i = 2. * (abs(fract((u - .5 * w) * .5) - .5) - abs(fract((u + .5 * w) * .5) - .5)) / w;
    float m = .5 - .5 * i.x * i.y;
    h = .06 * m;
    return m;
}
void dress(vec2 u, float px, float m, inout Surface s) {}

#elif KIND == 2  // bricks: one cell wide, courses .38 high
vec2 course(vec2 u) { vec2 q = u * vec2(1., 2.6); q.x += .5 * mod(floor(q.y), 2.); return q; }
float pattern(vec2 u, float px, out float h) {
    vec2 q = course(u);
    float m = 1. - inside(fract(q), vec2(.035, .085), max(.05, px * 2.));
    m = mix(m, .24, clamp(px * 1.6 - .3, 0., 1.));
    h = .16 * (1. - m) * (.75 + .35 * hash12(floor(q))) + .05 * noise(u * 11.);
    return m;
}
void dress(vec2 u, float px, float m, inout Surface s) {
    float r = hash12(floor(course(u)) + 3.), n = noise(u * 7.);
    s.a *= mix(.62 + .6 * r, .95, clamp(px, 0., 1.)) * (.85 + .3 * n);
    s.b *= .85 + .3 * n;
}

#elif KIND == 3  // blotches
float pattern(vec2 u, float px, out float h) {
    float f = fractal(u * 1.3, 4);
    h = .3 * f;
    return smoothstep(.38, .62, f);
}
void dress(vec2 u, float px, float m, inout Surface s) {}

#elif KIND == 4  // planks along v, one cell wide, seven long
float pattern(vec2 u, float px, out float h) {
    float column = floor(u.x), r = hash12(vec2(column, 3.));
    vec2 f = vec2(fract(u.x), fract(u.y / 7. + r));
    float gap = 1. - inside(f, vec2(.03, .004), max(.03, px));
    float grain = noise(vec2(u.x * 14. + r * 40., u.y * 1.1 + r * 9.));
    h = .13 * (1. - gap) + .05 * grain;
    return max(gap * (1. - clamp(px, 0., .8)), .45 * grain);
}
void dress(vec2 u, float px, float m, inout Surface s) {
    float r = hash12(vec2(floor(u.x), floor(u.y / 7. + hash12(vec2(floor(u.x), 3.)))));
    s.a *= mix(.68 + .62 * r, 1., clamp(px - .3, 0., 1.));
}

#elif KIND == 5  // tiles
float pattern(vec2 u, float px, out float h) {
    float m = 1. - inside(fract(u), vec2(.035), max(.03, px));
    m = mix(m, .13, clamp(px * 1.4 - .2, 0., 1.));
    h = .07 * (1. - m);
    return m;
}
void dress(vec2 u, float px, float m, inout Surface s) {
    float r = hash12(floor(u)), far = clamp(px, 0., 1.);
    s.a *= mix(.76 + .46 * r, 1., far);
    s.rough_a *= mix(.6 + .8 * hash12(floor(u) + 9.), 1., far);
}

#elif KIND == 6  // ground: patches of two soils, grit; slopes show soil B (added in geometry.frag)
float pattern(vec2 u, float px, out float h) {
    float patches = fractal(u * .35, 4), grit = noise(u * 9.) * .6 + noise(u * 23.) * .4;
    h = .14 * grit + .25 * patches;
    return clamp(smoothstep(.42, .6, patches + .12 * (grit - .5)), 0., 1.);
}
void dress(vec2 u, float px, float m, inout Surface s) {
    float grit = mix(noise(u * 9.) * .6 + noise(u * 23. + 4.) * .4, .5, clamp(px * 8. - .6, 0., 1.));
    s.a *= .55 + .9 * grit;
    s.b *= .65 + .7 * grit;
}

#elif KIND == 7  // facade: one window a cell, frame in colour B, wall in colour A
float pane(vec2 f, float px) { return inside(clamp((f - vec2(.2, .22)) / vec2(.6, .56), 0., 1.), vec2(.001), max(.04, px)); }
float frame_of(vec2 f, float px) { return inside(clamp((f - vec2(.15, .16)) / vec2(.7, .68), 0., 1.), vec2(.001), max(.03, px)); }
float pattern(vec2 u, float px, out float h) {
    vec2 f = fract(u);
    float p = pane(f, px), g = frame_of(f, px);
    float cross_bar = p * (1. - smoothstep(.015, .03 + px, abs(f.x - .5)));
    h = .05 * g - .14 * p + .1 * cross_bar + .012 * noise(u * 30.) * (1. - g);
    return clamp(g - p + cross_bar, 0., 1.);
}
void dress(vec2 u, float px, float m, inout Surface s) {
    vec2 f = fract(u), c = floor(u);
    float p = pane(f, px) * (1. - smoothstep(.03, .015, abs(f.x - .5)) * step(px, .2)), r = hash12(c + 5.);
    s.a = mix(s.a * (.85 + .3 * noise(u * 9.)), mix(vec3(.012, .016, .02), vec3(.06, .066, .075), r), p);
    s.b *= 1.1;
    s.rough_a = mix(s.rough_a, .06 + .12 * r, p);
    s.metal_a *= 1. - p;
    s.hue = hash12(c * 1.7 + 3.);
    s.emission += p * step(.58, hash12(c + 11.)) * (.5 + .5 * r);
}

#elif KIND == 8  // stripes across v
float pattern(vec2 u, float px, out float h) {
    float w = max(px * .7, .015), t = abs(fract(u.y) - .5) * 2.;
    float m = smoothstep(.5 - w, .5 + w, t);
    h = .05 * m;
    return mix(m, .5, clamp(px * 1.5 - .6, 0., 1.));
}
void dress(vec2 u, float px, float m, inout Surface s) { s.a *= .92 + .16 * noise(u * 5.); }

#elif KIND == 9  // leaves
float pattern(vec2 u, float px, out float h) {
    vec3 c = cells(u * 2.4);
    float clump = noise(u * .9);
    h = .55 * (1. - c.x) * (.5 + c.z) + .4 * clump;
    return clamp(c.z * .7 + .6 * (clump - .3), 0., 1.);
}
void dress(vec2 u, float px, float m, inout Surface s) {
    float shade = .6 + .6 * noise(u * 4.7 + 3.);
    s.a *= shade;
    s.b *= shade;
}

#elif KIND == 10  // rock: ridges and speckle
float pattern(vec2 u, float px, out float h) {
    float f = fractal(u, 5), ridge = 1. - abs(2. * noise(u * 1.7 + f * 1.4) - 1.);
    h = .75 * f + .22 * ridge;
    return smoothstep(.35, .65, .6 * f + .4 * ridge * f);
}
void dress(vec2 u, float px, float m, inout Surface s) { s.a *= .72 + .56 * noise(u * 13.); s.b *= .8 + .4 * noise(u * 9.); }

#elif KIND == 11  // corrugated sheet, ribs along v; stains run down
float pattern(vec2 u, float px, out float h) {
    float wave = .5 + .5 * sin(u.x * 6.2832);
    h = .16 * mix(wave, .5, clamp(px * 2.2 - .4, 0., 1.));
    return smoothstep(.55, .85, fractal(vec2(u.x * 1.1, u.y * .17), 3)) * .9;
}
void dress(vec2 u, float px, float m, inout Surface s) { s.a *= .88 + .2 * noise(u * vec2(3., .5)); }

#elif KIND == 12  // panels with seams and rivets
float pattern(vec2 u, float px, out float h) {
    vec2 f = fract(u), r = abs(fract(u * 5.) - .5);
    float seam = 1. - inside(f, vec2(.02), max(.02, px));
    float rim = (1. - inside(f, vec2(.16), .01)) * inside(f, vec2(.05), .01);
    float rivet = smoothstep(.2, .1, length(r)) * rim * (1. - clamp(px * 5., 0., 1.));
    h = .05 * (1. - seam) + .05 * rivet;
    return clamp(seam * (1. - clamp(px, 0., .7)) + .4 * rivet, 0., 1.);
}
void dress(vec2 u, float px, float m, inout Surface s) {
    float r = mix(hash12(floor(u)), .5, clamp(px, 0., 1.));
    s.a *= .82 + .36 * r;
    s.rough_a *= .75 + .5 * hash12(floor(u) + 4.) + .2 * (noise(u * 6.) - .5);
}

#elif KIND == 13  // rust eats metal
float pattern(vec2 u, float px, out float h) {
    float f = fractal(u * .9, 5);
    float m = smoothstep(.47, .58, f);
    h = m * (.05 + .14 * noise(u * 12.)) + .01 * f;
    return m;
}
void dress(vec2 u, float px, float m, inout Surface s) {
    s.b *= .55 + .8 * noise(u * 5.);
    s.rough_a *= .8 + .5 * noise(u * vec2(1.2, 8.));
}

#elif KIND == 14  // cobbles
float pattern(vec2 u, float px, out float h) {
    vec3 c = cells(u);
    float gap = 1. - smoothstep(.04, .15 + px * .5, c.y - c.x);
    h = .3 * (1. - gap) * (1. - .5 * c.x * c.x) + .04 * noise(u * 9.);
    return mix(gap, .3, clamp(px * 1.2 - .3, 0., 1.));
}
void dress(vec2 u, float px, float m, inout Surface s) {
    s.a *= mix(.6 + .8 * cells(u).z, 1., clamp(px - .3, 0., 1.)) * (.85 + .3 * noise(u * 8.));
}

#elif KIND == 15  // fabric weave
float pattern(vec2 u, float px, out float h) {
    vec2 q = u * 8., f = abs(fract(q) - .5) * 2.;
    float over = mod(floor(q.x) + floor(q.y), 2.), away = clamp(px * 12. - .6, 0., 1.);
    float thread = mix(1. - f.x * f.x, 1. - f.y * f.y, over);
    h = .035 * mix(thread, .5, away) + .12 * noise(u * 1.3);
    return mix(over * .6 + .4 * (1. - thread), .5, away);
}
void dress(vec2 u, float px, float m, inout Surface s) {}

#elif KIND == 16  // marble veins
float pattern(vec2 u, float px, out float h) {
    float warp = fractal(u * .8, 4);
    float v = 1. - abs(2. * noise(u * vec2(.7, 1.1) + 2.4 * warp) - 1.);
    h = 0.;
    return clamp(smoothstep(.78, 1., v) * .9 + .25 * smoothstep(.4, .7, warp), 0., 1.);
}
void dress(vec2 u, float px, float m, inout Surface s) { s.a *= .9 + .2 * noise(u * 2.); }

#elif KIND == 17  // sand ripples
float pattern(vec2 u, float px, out float h) {
    float warp = fractal(u * .45, 3);
    float wave = .5 + .5 * sin(6.2832 * (u.y + 1.9 * warp));
    float away = clamp(px * 2. - .4, 0., 1.);
    h = .2 * mix(wave * wave, .4, away) + .03 * noise(u * 14.) + .3 * warp;
    return mix(wave * .8, .4, away) * smoothstep(.2, .6, warp);
}
void dress(vec2 u, float px, float m, inout Surface s) { s.a *= .86 + .28 * noise(u * 21.); }

#elif KIND == 18  // signs: lines of glyph-like marks in colour B on board A
float pattern(vec2 u, float px, out float h) {
    vec2 q = u * vec2(5., 3.), f = (fract(q) - vec2(.12, .16)) / vec2(.7, .68);
    vec2 dot_cell = floor(clamp(f, 0., .999) * vec2(3., 5.));
    float ink = step(.42, hash12(dot_cell + floor(q) * 13.1)) * step(.2, hash12(floor(q) + 2.));
    ink *= step(0., f.x) * step(f.x, 1.) * step(0., f.y) * step(f.y, 1.);
    float rim = 1. - inside(fract(u), vec2(.03), max(.02, px));
    h = .02 * ink;
    return mix(max(ink, rim), .35, clamp(px * 6. - .8, 0., 1.));
}
void dress(vec2 u, float px, float m, inout Surface s) {
    s.hue = hash12(floor(u) + 7.);
    s.emission *= m;
}

#else  // 19: gradient from A to B along v, there and back over two cells
float pattern(vec2 u, float px, out float h) {
    h = 0.;
    return mix(smoothstep(0., 1., abs(mod(u.y, 2.) - 1.)), .5, clamp(px - .5, 0., 1.));
}
void dress(vec2 u, float px, float m, inout Surface s) {}
#endif
