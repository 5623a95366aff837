package config

import (
	"fmt"
	"strings"
)

// Reference returns docs/configuration.md: every key with its name in the environment, default, limit and sentence.
func Reference() string {
	var page strings.Builder
	page.WriteString(referenceHead)
	for _, f := range fieldsOf(new(Config)) {
		fallback := f.tag.Get("default")
		if fallback != "" {
			fallback = "`" + strings.ReplaceAll(fallback, ",", ", ") + "`"
		}
		env := "`" + f.env() + "`"
		if f.isSecret() {
			env += "<br>`" + f.env() + "_FILE`"
		}
		fmt.Fprintf(&page, "| `%s` | %s | %s | %s | %s |\n", f.key, env, fallback, f.limit(), f.tag.Get("doc"))
	}
	page.WriteString(referenceFoot)
	return page.String()
}

const referenceHead = `# Configuration

One YAML file, ` + "`gatehouse serve --config gatehouse.yaml`" + `, holds the server's configuration; every key may also come from the
environment. The command line overrides the environment, which overrides the file. A variable that is set and empty counts as
not set; lists are separated by commas there. Unknown keys are refused, and so are variables that begin like one of the
sections below and are none of them. ` + "`gatehouse config check`" + ` names all faults at once, ` + "`gatehouse config print`" + ` shows what is
in effect and where it came from, with passwords redacted. This page is ` + "`gatehouse config reference`" + `.

The smallest file:

` + "```yaml" + `
issuer: https://login.example.com
trustedProxies: [10.0.0.0/8]
keys:
  kek: /etc/gatehouse/kek # openssl rand -base64 32
` + "```" + `

Durations are written as in 500ms, 90s, 15m, 36h, 90d. Relative paths begin at the working directory.

| key | environment | default | values | |
|---|---|---|---|---|
`

const referenceFoot = `
## Secrets

Two values are secret: the password in ` + "`store`" + ` and the key-encryption key. Each is best kept in a file of mode 0600 that
` + "`GATEHOUSE_STORE_FILE`" + ` and ` + "`GATEHOUSE_KEYS_KEK_FILE`" + ` (or ` + "`keys.kek`" + `) name, as systemd's ` + "`LoadCredential=`" + ` and Kubernetes'
secret volumes provide them. ` + "`GATEHOUSE_KEYS_KEK`" + ` may hold the key itself; the server then starts with a warning, since the
environment of a process shows up in crash reports and ` + "`/proc`" + `.
`
