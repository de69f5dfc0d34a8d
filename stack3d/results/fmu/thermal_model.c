/* A compact thermal model as a co-simulation slave of FMI 2.0. Numbers are in model.h; SI units.
 *
 * Every mode decays by itself, so a step of any length is exact while powers and ambient stay as they are:
 *   a' = -rate a + load . (powers, heat into faces),   temperature = base + shown . a + bow . powers.
 * Rises count from `base`: the ambient, or the temperature that a face is held at.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif
#ifdef FMI2_FUNCTION_PREFIX
#define JOINED(a, b) a##b
#define FULL(a, b) JOINED(a, b)
#define API(name) FULL(FMI2_FUNCTION_PREFIX, name)
#else
#define API(name) name
#endif

typedef void *Component;
typedef unsigned int Reference;
typedef enum { OK, WARNING, DISCARD, ERROR, FATAL, PENDING } Status;

/* References of reals: powers, then ambient, then temperatures. Of booleans: whether the start is steady. */
#define AMBIENT SOURCES
#define FIRST_PLACE (SOURCES + 1)

typedef struct {
    double power[SOURCES];
    double ambient;
    double base;
    double amplitude[MODES];
    int begun;
    int steady;
} Model;

static double base_of(double ambient) {
    return HAS_FIXED_FACE ? FIXED_TEMPERATURE : ambient;
}

static double drive(const Model *m, int mode) {
    double sum = 0.0;
    for (int s = 0; s < SOURCES; s++) sum += m->power[s] * load[s][mode];
    for (int f = 0; f < FACES; f++) {
        double reference = follows_ambient[f] ? m->ambient : face_reference[f];
        sum += (film[f] * (reference - m->base) + flux[f]) * load[SOURCES + f][mode];
    }
    return sum;
}

static double temperature(const Model *m, int place) {
    double sum = m->base;
    for (int k = 0; k < MODES; k++) sum += shown[place][k] * m->amplitude[k];
    for (int s = 0; s < SOURCES; s++) sum += bow[place][s] * m->power[s];
    return sum;
}

static void begin(Model *m) {
    m->base = base_of(m->ambient);
    for (int k = 0; k < MODES; k++)
        m->amplitude[k] = m->steady ? drive(m, k) / rate[k] : still[k] * (m->ambient - m->base);
}

static void start(Model *m) {
    memset(m, 0, sizeof *m);
    memcpy(m->power, first_power, sizeof m->power);
    m->ambient = FIRST_AMBIENT;
    begin(m);
}

EXPORT const char *API(fmi2GetTypesPlatform)(void) { return "default"; }
EXPORT const char *API(fmi2GetVersion)(void) { return "2.0"; }

EXPORT Component API(fmi2Instantiate)(const char *name, int kind, const char *guid, const char *resources, const void *callbacks,
                                      int visible, int logging) {
    (void)name, (void)resources, (void)callbacks, (void)visible, (void)logging;
    Model *m;
    if (kind != 1 || !guid || strcmp(guid, GUID) != 0) return NULL;
    if ((m = malloc(sizeof *m)) != NULL) start(m);
    return m;
}

EXPORT void API(fmi2FreeInstance)(Component c) { free(c); }
EXPORT Status API(fmi2Reset)(Component c) { return start(c), OK; }

EXPORT Status API(fmi2SetDebugLogging)(Component c, int on, size_t n, const char *const categories[]) {
    return (void)c, (void)on, (void)n, (void)categories, OK;
}

EXPORT Status API(fmi2SetupExperiment)(Component c, int has_tolerance, double tolerance, double begun, int has_stop, double stop) {
    return (void)c, (void)has_tolerance, (void)tolerance, (void)begun, (void)has_stop, (void)stop, OK;
}

EXPORT Status API(fmi2EnterInitializationMode)(Component c) { return (void)c, OK; }
EXPORT Status API(fmi2Terminate)(Component c) { return (void)c, OK; }

EXPORT Status API(fmi2ExitInitializationMode)(Component c) {
    Model *m = c;
    begin(m);
    m->begun = 1;
    return OK;
}

EXPORT Status API(fmi2GetReal)(Component c, const Reference which[], size_t n, double value[]) {
    Model *m = c;
    if (!m->begun) begin(m);
    for (size_t i = 0; i < n; i++) {
        Reference r = which[i];
        if (r < SOURCES) value[i] = m->power[r];
        else if (r == AMBIENT) value[i] = m->ambient;
        else if (r < FIRST_PLACE + PLACES) value[i] = temperature(m, (int)(r - FIRST_PLACE));
        else return ERROR;
    }
    return OK;
}

EXPORT Status API(fmi2SetReal)(Component c, const Reference which[], size_t n, const double value[]) {
    Model *m = c;
    for (size_t i = 0; i < n; i++) {
        if (which[i] > AMBIENT || !isfinite(value[i])) return ERROR;
        if (which[i] < SOURCES) {
            m->power[which[i]] = value[i];
            continue;
        }
        if (value[i] < LOWEST_AMBIENT * (1 - 1e-9) || value[i] > HIGHEST_AMBIENT * (1 + 1e-9)) return ERROR;
        double change = base_of(value[i]) - m->base;
        m->ambient = value[i];
        m->base += change;
        for (int k = 0; k < MODES; k++) m->amplitude[k] -= change * still[k];
    }
    return OK;
}

EXPORT Status API(fmi2GetBoolean)(Component c, const Reference which[], size_t n, int value[]) {
    for (size_t i = 0; i < n; i++) {
        if (which[i] != 0) return ERROR;
        value[i] = ((Model *)c)->steady;
    }
    return OK;
}

EXPORT Status API(fmi2SetBoolean)(Component c, const Reference which[], size_t n, const int value[]) {
    Model *m = c;
    for (size_t i = 0; i < n; i++) {
        if (which[i] != 0 || m->begun) return ERROR;
        m->steady = value[i] != 0;
    }
    return OK;
}

EXPORT Status API(fmi2GetInteger)(Component c, const Reference which[], size_t n, int value[]) {
    return (void)c, (void)which, (void)value, n ? ERROR : OK;
}
EXPORT Status API(fmi2SetInteger)(Component c, const Reference which[], size_t n, const int value[]) {
    return (void)c, (void)which, (void)value, n ? ERROR : OK;
}
EXPORT Status API(fmi2GetString)(Component c, const Reference which[], size_t n, const char *value[]) {
    return (void)c, (void)which, (void)value, n ? ERROR : OK;
}
EXPORT Status API(fmi2SetString)(Component c, const Reference which[], size_t n, const char *const value[]) {
    return (void)c, (void)which, (void)value, n ? ERROR : OK;
}

EXPORT Status API(fmi2DoStep)(Component c, double now, double length, int no_way_back) {
    Model *m = c;
    (void)now, (void)no_way_back;
    if (!m->begun || !(length >= 0.0)) return ERROR;
    for (int k = 0; k < MODES; k++) m->amplitude[k] += expm1(-rate[k] * length) * (m->amplitude[k] - drive(m, k) / rate[k]);
    return OK;
}

EXPORT Status API(fmi2CancelStep)(Component c) { return (void)c, ERROR; }

EXPORT Status API(fmi2GetFMUstate)(Component c, void **kept) {
    if (!*kept && !(*kept = malloc(sizeof(Model)))) return ERROR;
    return memcpy(*kept, c, sizeof(Model)), OK;
}
EXPORT Status API(fmi2SetFMUstate)(Component c, void *kept) { return memcpy(c, kept, sizeof(Model)), OK; }
EXPORT Status API(fmi2FreeFMUstate)(Component c, void **kept) {
    (void)c;
    free(*kept);
    *kept = NULL;
    return OK;
}
EXPORT Status API(fmi2SerializedFMUstateSize)(Component c, void *kept, size_t *size) {
    return (void)c, (void)kept, *size = sizeof(Model), OK;
}
EXPORT Status API(fmi2SerializeFMUstate)(Component c, void *kept, char bytes[], size_t size) {
    (void)c;
    if (size < sizeof(Model)) return ERROR;
    return memcpy(bytes, kept, sizeof(Model)), OK;
}
EXPORT Status API(fmi2DeSerializeFMUstate)(Component c, const char bytes[], size_t size, void **kept) {
    if (size < sizeof(Model)) return ERROR;
    (void)c;
    return API(fmi2GetFMUstate)((Component)bytes, kept);
}

EXPORT Status API(fmi2GetDirectionalDerivative)(Component c, const Reference unknown[], size_t n_unknown, const Reference known[],
                                                size_t n_known, const double seed[], double value[]) {
    return (void)c, (void)unknown, (void)n_unknown, (void)known, (void)n_known, (void)seed, (void)value, ERROR;
}
EXPORT Status API(fmi2SetRealInputDerivatives)(Component c, const Reference which[], size_t n, const int order[], const double value[]) {
    return (void)c, (void)which, (void)n, (void)order, (void)value, ERROR;
}
EXPORT Status API(fmi2GetRealOutputDerivatives)(Component c, const Reference which[], size_t n, const int order[], double value[]) {
    return (void)c, (void)which, (void)n, (void)order, (void)value, ERROR;
}
EXPORT Status API(fmi2GetStatus)(Component c, int kind, Status *value) { return (void)c, (void)kind, (void)value, DISCARD; }
EXPORT Status API(fmi2GetRealStatus)(Component c, int kind, double *value) { return (void)c, (void)kind, (void)value, DISCARD; }
EXPORT Status API(fmi2GetIntegerStatus)(Component c, int kind, int *value) { return (void)c, (void)kind, (void)value, DISCARD; }
EXPORT Status API(fmi2GetBooleanStatus)(Component c, int kind, int *value) { return (void)c, (void)kind, (void)value, DISCARD; }
EXPORT Status API(fmi2GetStringStatus)(Component c, int kind, const char **value) { return (void)c, (void)kind, (void)value, DISCARD; }
