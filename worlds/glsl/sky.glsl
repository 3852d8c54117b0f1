// Light from far away: sky gradient, glow around the sun, ground below, and the room when a ceiling hides the sky.
uniform vec3 sun_direction, sun, zenith, horizon, ground;
uniform float ambient, sky_glow, overcast, indoor;
uniform vec3 key_direction, key, rim_direction, rim;  // wide lights: a window, a neon front, a bright cloud

// Radiance from direction d, blurred by roughness.
vec3 sky_light(vec3 d, float rough) {
    float height = max(d.z, 0.);
    vec3 c = mix(horizon, zenith, pow(height, mix(.5, .8, overcast)));
    float toward = max(dot(d, sun_direction), 0.);
    float glow = .1 * pow(toward, mix(6., 3., rough)) * (.3 + .7 * (1. - height)) + .22 * pow(toward, mix(90., 8., rough)) * (1. - .8 * rough);
    c += sun * glow * sky_glow;
    float edge = mix(.04, .5, rough);
    return mix(ground, c, smoothstep(-edge, edge, d.z));
}

// What a wide light adds to a mirror direction.
vec3 wide_glint(vec3 r, float rough) {
    float sharp = mix(24., 2., sqrt(rough));
    float a = pow(max(dot(r, key_direction), 0.), sharp), b = pow(max(dot(r, rim_direction), 0.), sharp);
    return key * a * mix(1.6, .5, rough) + rim * b * mix(1.6, .5, rough);
}

// Irradiance / pi of a surface that faces n. `low` is the light that comes up from below, `open` how much of the
// sky is seen (0..1). What hides the sky sends some light back; under a ceiling that is all there is.
vec3 ambient_light(vec3 n, vec3 low, float open) {
    float side = n.z * .5 + .5;
    vec3 dome = mix(horizon, zenith, .35 + .3 * side);
    vec3 outside = mix(low * (.35 + .65 * open), mix(low * .45, dome, open), side);
    // under a ceiling: what comes in by windows, sunlight scattered from the walls included
    vec3 room = (horizon * .35 + zenith * .25 + ground * .3 + sun * .14) * (.8 + .2 * n.z);
    room = 1.25 * mix(room, vec3(dot(room, vec3(.2126, .7152, .0722))), .5);  // walls take the sky's tint away
    return mix(outside, room + dome * open * .9, indoor) * ambient;
}
