// Things in the air, in four sheets at growing distance; each sheet is hidden by surfaces nearer than itself.
// PARTICLES: 0 none, 1 rain, 2 snow, 3 bubbles, 4 glowing motes, 5 blown dust. Coordinates stick to the world's
// directions, so that a turning camera sweeps past them.
uniform float particle_amount;
uniform vec3 fog;

#if PARTICLES == 0
vec3 particles(vec3 c, vec2 ndc, float depth) { return c; }
#else
vec2 direction_angles(vec2 ndc) {
    vec3 d = ray_of(ndc);
    return vec2(atan(d.x, d.y), atan(d.z, length(d.xy)));
}

// A point's drop or flake in its grid cell: offset from its centre, in cells; z is the cell's hash (0..1).
vec3 grain(vec2 q, float sheet) {
    vec2 cell = floor(q);
    vec2 place = hash22(cell + sheet * 31.7) * .5 + .25;
    return vec3(fract(q) - place, hash12(cell * 1.3 + sheet * 17.));
}

vec3 particles(vec3 c, vec2 ndc, float depth) {
    vec2 a = direction_angles(ndc);
    vec3 air = mix(horizon, zenith, .3) * ambient + sun * .15;
    for (int i = 0; i < 4; i++) {
        float sheet = float(i), far = 1.2 * exp2(sheet), size = 1. + .75 * sheet;
        float shown = (depth <= 0. || depth > far ? 1. : 0.) * particle_amount;
#if PARTICLES == 1
        vec2 q = vec2(a.x * 26. * size + a.y * 2.6 * size, a.y * 3.2 * size + time * 9.);
        q.y += hash12(vec2(floor(q.x), sheet)) * 7.;
        vec3 g = grain(q, sheet);
        float streak = smoothstep(.1, .02, abs(g.x)) * smoothstep(.5, .1, abs(fract(q.y) - .5)) * step(.35, g.z);
        c += shown * streak * (air + .1 / exposure) * .3 / (1. + .25 * sheet);
#elif PARTICLES == 2
        vec2 q = vec2(a.x * 10. * size + .5 * sin(time * 1.3 + sheet * 2.), a.y * 10. * size + time * 1.6);
        vec3 g = grain(q, sheet);
        float flake = smoothstep(.2, .07, length(g.xy)) * step(.4, g.z);
        c = mix(c, vec3(.95) * max(air * 1.2, .22 / exposure), shown * flake * .9);
#elif PARTICLES == 3
        vec2 q = vec2(a.x * 7. * size + .25 * sin(time * 2. + a.y * 9.), a.y * 7. * size - time * 1.1);
        vec3 g = grain(q, sheet);
        float r = length(g.xy), ring = smoothstep(.05, .0, abs(r - .1)) + .5 * smoothstep(.06, .0, length(g.xy - vec2(-.03, .04)));
        c += shown * ring * step(.72, g.z) * (air * .6 + vec3(.06, .14, .14));
#elif PARTICLES == 4
        vec2 q = a * 7. * size + vec2(.4 * sin(time * .7 + sheet), -time * .35);
        vec3 g = grain(q, sheet);
        float halo = exp(-dot(g.xy, g.xy) * 170.) + .12 * exp(-dot(g.xy, g.xy) * 24.);
        c += shown * halo * step(.6, g.z) * mix(vec3(.25, 1., .75), vec3(.75, .5, 1.), fract(g.z * 7.));
#else
        vec2 q = vec2(a.x * 2.2 * size - time * 3.5, a.y * 5. * size + .3 * sin(a.x * 5. + time));
        float wisp = smoothstep(.5, .85, noise(q + sheet * 13.) * .75 + noise(q * vec2(2., 4.)) * .25);
        vec3 g = grain(vec2(a.x * 20. * size - time * 30., a.y * 24. * size), sheet);
        float speck = smoothstep(.13, .03, length(g.xy * vec2(.35, 1.))) * step(.72, g.z);
        c = mix(c, fog * 1.12, shown * (wisp * .3 + speck * .45));
#endif
    }
    return c;
}
#endif
