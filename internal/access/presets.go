package access

import (
	"embed"
	"slices"
	"sync"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

var presets = sync.OnceValue(func() map[string]*Model {
	entries, err := presetFiles.ReadDir("presets")
	if err != nil {
		panic("embedded access models: " + err.Error())
	}
	out := make(map[string]*Model, len(entries))
	for _, e := range entries {
		src, err := presetFiles.ReadFile("presets/" + e.Name())
		if err != nil {
			panic("embedded access models: " + err.Error())
		}
		m, err := Parse(e.Name(), src)
		if err != nil {
			panic(err) // the presets are part of the program: a test parses them
		}
		out[m.Name()] = m
	}
	return out
})

// Preset returns a model that ships with Gatehouse.
func Preset(name string) (*Model, bool) {
	m, ok := presets()[name]
	return m, ok
}

// Presets returns the names of the models that ship with Gatehouse, sorted.
func Presets() []string {
	names := make([]string, 0, len(presets()))
	for n := range presets() {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// PresetSource returns the YAML of a preset, a starting point for a model of one's own.
func PresetSource(name string) ([]byte, bool) {
	src, err := presetFiles.ReadFile("presets/" + name + ".yaml")
	return src, err == nil
}
