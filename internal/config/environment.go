package config

import (
	"maps"
	"slices"
	"strings"
)

// kekVariable holds the key-encryption key itself.
const kekVariable = "GATEHOUSE_KEYS_KEK"

func (l *loader) readEnvironment(environ []string) {
	variables := make(map[string]string)
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, envPrefix) && text != "" {
			variables[name] = text
		}
	}
	for _, f := range l.fields {
		if text, ok := take(variables, f.env()); ok {
			l.set(f, f.env(), split(f, text)...)
			store, isStore := f.value.Interface().(Store)
			_, isSecret := f.value.Interface().(Secret)
			if isSecret || isStore && store.hasPassword() {
				l.warn("%s: the environment of a process is easily read: put its password into a file and name it in %s_FILE", f.key, f.env())
			}
		}
		if f.isSecret() {
			l.readSecretFile(f, variables)
		}
	}
	if text, ok := take(variables, kekVariable); ok {
		key, isKey := parseKEK(text)
		if isKey {
			l.config.kek = key
			l.warn("keys.kek: the environment of a process is easily read: put the key into a file and name it in GATEHOUSE_KEYS_KEK_FILE")
		} else {
			l.fault("keys.kek", "%s is no key: %s", kekVariable, kekWant)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		l.unknownVariable(name)
	}
}

func (l *loader) readSecretFile(f field, variables map[string]string) {
	name := f.env() + "_FILE"
	path, ok := take(variables, name)
	if !ok {
		return
	}
	if l.origins[f.key] == f.env() {
		l.fault(f.key, "%s and %s are both set: want one of them", f.env(), name)
		return
	}
	text, err := readBounded(path)
	if err != nil {
		l.fault(f.key, "%s names %s: %v", name, path, err)
		return
	}
	l.set(f, name, strings.TrimSpace(string(text)))
	if readableByOthers(path) {
		l.warn("%s: others may read %s: chmod 600 it", f.key, path)
	}
}

// unknownVariable refuses what looks like a key of ours and is none. What Kubernetes and Docker set for a service called
// gatehouse-… is neither: GATEHOUSE_REDIS_PORT=tcp://….
func (l *loader) unknownVariable(name string) {
	rest := strings.TrimPrefix(name, envPrefix)
	if rest == "PORT" || strings.HasSuffix(rest, "_PORT") || strings.HasPrefix(rest, "PORT_") || strings.Contains(rest, "_PORT_") ||
		strings.HasPrefix(rest, "SERVICE_") || strings.Contains(rest, "_SERVICE_") {
		return
	}
	section, _, _ := strings.Cut(strings.ToLower(rest), "_")
	if l.isSection(section) {
		l.fault(section, "%s in the environment is unknown", name)
		return
	}
	l.warn("%s in the environment is no key of the configuration and was ignored", name)
}

func take(variables map[string]string, name string) (text string, ok bool) {
	text, ok = variables[name]
	delete(variables, name)
	return text, ok
}
