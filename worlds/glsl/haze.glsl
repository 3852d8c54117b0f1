// Air between the surface and the eye: fog with a height falloff, and water that eats red first.
uniform vec3 fog;
uniform float fog_density, fog_falloff, water;

vec3 fog_light(vec3 d) { return fog + sun * .1 * sky_glow * pow(max(dot(d, sun_direction), 0.), 6.); }

vec3 haze(vec3 light, vec3 d, float far) {
    float rise = max(eye.z + d.z * far * .5, 0.);
    float clear = exp(-fog_density * far * exp(-rise * fog_falloff));
    light *= mix(vec3(1), exp(-far * vec3(.09, .02, .012)), water);
    return mix(fog_light(d), light, clear);
}
