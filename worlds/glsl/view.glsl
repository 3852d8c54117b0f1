// The camera, and the way from a pixel and its planar depth to a place in the world.
uniform vec3 eye, forward, right, up;
uniform vec2 tangent;  // half picture size at distance 1

vec3 ray_of(vec2 ndc) { return forward + right * ndc.x * tangent.x + up * ndc.y * tangent.y; }

// xy: texture coordinate of a world point, z: its planar depth
vec3 project(vec3 p) {
    vec3 d = p - eye;
    float z = dot(d, forward);
    return vec3(vec2(dot(d, right), dot(d, up)) / (tangent * max(z, 1e-4)) * .5 + .5, z);
}
