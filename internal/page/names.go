package page

import (
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// PersonName is how pages name a person, "" for nobody.
func PersonName(u *iam.User) string {
	if u == nil {
		return ""
	}
	if name, _ := u.Claims["name"].(string); name != "" {
		return name
	}
	return u.Name
}

// NodeName is how pages name an organization.
func NodeName(n *iam.Node) string {
	if n.DisplayName != "" {
		return n.DisplayName
	}
	return n.Name
}

// BrowserName is how pages name the browser that calls itself agent: "Firefox on Linux", or its own words when they are no browser's
// that is known here. It is for a person to recognize; anybody can claim any name.
func BrowserName(agent string) string {
	first := func(marks ...[2]string) string {
		for _, m := range marks {
			if strings.Contains(agent, m[0]) {
				return m[1]
			}
		}
		return ""
	}
	// The order matters: most browsers claim to be those that came before them.
	browser := first([2]string{"Firefox/", "Firefox"}, [2]string{"Edg/", "Edge"}, [2]string{"OPR/", "Opera"},
		[2]string{"SamsungBrowser/", "Samsung Internet"}, [2]string{"Chrome/", "Chrome"}, [2]string{"CriOS/", "Chrome"}, [2]string{"Safari/", "Safari"})
	system := first([2]string{"iPhone", "iPhone"}, [2]string{"iPad", "iPad"}, [2]string{"Android", "Android"}, [2]string{"Windows", "Windows"},
		[2]string{"Mac OS X", "macOS"}, [2]string{"CrOS", "ChromeOS"}, [2]string{"Linux", "Linux"})
	switch {
	case browser == "" || !strings.HasPrefix(agent, "Mozilla/"):
		return agent
	case system == "":
		return browser
	}
	return browser + " on " + system
}
