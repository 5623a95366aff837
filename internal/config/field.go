package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A field is a leaf of Config: a key, where it lies, and what its tags say.
type field struct {
	key   string // "keys.rotateEvery"
	tag   reflect.StructTag
	value reflect.Value
}

// fieldsOf returns the leaves of c in the order of the struct.
func fieldsOf(c *Config) []field { return appendFields(nil, "", reflect.ValueOf(c).Elem()) }

func appendFields(fields []field, prefix string, section reflect.Value) []field {
	for i := range section.NumField() {
		f := section.Type().Field(i)
		key, ok := f.Tag.Lookup("key")
		switch {
		case !ok:
		case f.Type.Kind() == reflect.Struct:
			fields = appendFields(fields, prefix+key+".", section.Field(i))
		default:
			fields = append(fields, field{key: prefix + key, tag: f.Tag, value: section.Field(i)})
		}
	}
	return fields
}

// env returns the name of the field in the environment: GATEHOUSE_KEYS_ROTATE_EVERY.
func (f field) env() string {
	if name := f.tag.Get("env"); name != "" {
		return name
	}
	name := []byte(envPrefix)
	for _, c := range f.key {
		switch {
		case c == '.':
			name = append(name, '_')
		case unicode.IsUpper(c):
			name = append(name, '_', byte(c))
		default:
			name = append(name, byte(unicode.ToUpper(c)))
		}
	}
	return string(name)
}

const envPrefix = "GATEHOUSE_"

func (f field) isSecret() bool { return f.tag.Get("secret") != "" }

func (f field) isList() bool { return f.value.Kind() == reflect.Slice }

// limit says in words what values the field takes, "" when any.
func (f field) limit() string {
	least, most := f.tag.Get("min"), f.tag.Get("max")
	var parts []string
	if least != "" {
		parts = append(parts, least+" to "+most)
	}
	if choices := f.tag.Get("oneof"); choices != "" {
		parts = append(parts, strings.ReplaceAll(choices, ",", " "))
		if !f.isList() {
			parts = []string{strings.ReplaceAll(choices, ",", " or ")}
		}
	}
	if f.value.Kind() == reflect.Bool {
		parts = append(parts, "true or false")
	}
	if want := f.tag.Get("want"); want != "" {
		parts = append(parts, want)
	}
	return strings.Join(parts, ", ")
}

// set parses text, and in a list each of texts, into the field. It returns what is wrong, "" if nothing. What is wrong never
// repeats a secret.
func (f field) set(texts ...string) string {
	if f.isList() {
		return f.setList(texts)
	}
	text := texts[0]
	switch f.value.Interface().(type) {
	case time.Duration:
		d, ok := parseDuration(text)
		if !ok {
			return fmt.Sprintf("%s is no duration: want %s, as in 90s, 15m or 90d", quote(text), f.limit())
		}
		f.value.SetInt(int64(d))
		return f.outside(func(limit string) int { bound, _ := parseDuration(limit); return cmp.Compare(d, bound) },
			text, "shorter", "longer")
	case int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Sprintf("%s is no whole number: want %s", quote(text), f.limit())
		}
		f.value.SetInt(int64(n))
		return f.outside(func(limit string) int { bound, _ := strconv.Atoi(limit); return cmp.Compare(n, bound) },
			text, "less", "more")
	case bool:
		switch text {
		case "true", "false":
			f.value.SetBool(text == "true")
			return ""
		}
		return fmt.Sprintf("%s is neither true nor false", quote(text))
	case Store, Secret:
		f.value.SetString(text)
		return ""
	default: // string
		if choices := f.tag.Get("oneof"); choices != "" && !contains(choices, text) {
			return fmt.Sprintf("%s is unknown: want %s", quote(text), f.limit())
		}
		f.value.SetString(text)
		return ""
	}
}

func (f field) setList(texts []string) string {
	list := reflect.MakeSlice(f.value.Type(), 0, len(texts))
	seen := make(map[string]bool, len(texts))
	for _, text := range texts {
		text = strings.TrimSpace(text)
		if seen[text] {
			return fmt.Sprintf("%s is there twice", quote(text))
		}
		seen[text] = true
		var item any = text
		if choices := f.tag.Get("oneof"); choices != "" && !contains(choices, text) {
			return fmt.Sprintf("%s is unknown: want %s", quote(text), f.limit())
		}
		if _, ok := f.value.Interface().([]netip.Prefix); ok {
			prefix, wrong := parseNetwork(text)
			if wrong != "" {
				return fmt.Sprintf("%s %s: want %s", quote(text), wrong, f.limit())
			}
			item = prefix
		}
		list = reflect.Append(list, reflect.ValueOf(item))
	}
	f.value.Set(list)
	return ""
}

// outside says that a value is below min or above max; against compares it with one of them.
func (f field) outside(against func(limit string) int, text, below, above string) string {
	if least := f.tag.Get("min"); least != "" && against(least) < 0 {
		return fmt.Sprintf("%s is %s than %s: want %s", text, below, least, f.limit())
	}
	if most := f.tag.Get("max"); most != "" && against(most) > 0 {
		return fmt.Sprintf("%s is %s than %s: want %s", text, above, most, f.limit())
	}
	return ""
}

// texts returns the value as set reads it, secrets redacted.
func (f field) texts() []string {
	switch v := f.value.Interface().(type) {
	case time.Duration:
		return []string{formatDuration(v)}
	case []string:
		return v
	case []netip.Prefix:
		texts := make([]string, len(v))
		for i, prefix := range v {
			texts[i] = prefix.String()
		}
		return texts
	case fmt.Stringer: // what hides a secret
		return []string{v.String()}
	default:
		return []string{fmt.Sprint(v)}
	}
}

// parseDuration reads what time.ParseDuration reads and whole days before it: 90d, 1d12h.
func parseDuration(text string) (time.Duration, bool) {
	const day = 24 * time.Hour
	days, rest, hasDays := strings.Cut(text, "d")
	if !hasDays {
		d, err := time.ParseDuration(text)
		return d, err == nil
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0, false
	}
	d := time.Duration(n) * day
	if rest == "" {
		return d, true
	}
	more, err := time.ParseDuration(rest)
	return d + more, err == nil && more >= 0 && more < day
}

// formatDuration writes what parseDuration reads, in the largest unit that is whole: 90d, 36h, 15m, 500ms.
func formatDuration(d time.Duration) string {
	const day = 24 * time.Hour
	if d >= 2*day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func parseNetwork(text string) (prefix netip.Prefix, wrong string) {
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return prefix, "is no network"
	case prefix != prefix.Masked():
		return prefix, "is an address in " + prefix.Masked().String()
	case prefix.Addr().Is4() && prefix.Bits() < 8, prefix.Addr().Is6() && prefix.Bits() < 7:
		return prefix, "is half the world"
	}
	return prefix, ""
}

func contains(choices, text string) bool { return slices.Contains(strings.Split(choices, ","), text) }

// quote shows a value of the operator's in a message, short and on one line.
func quote(text string) string {
	if len(text) > 60 {
		text = text[:60] + "…"
	}
	return strconv.Quote(text)
}
