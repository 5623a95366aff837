package redistest

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// A Sentinel is a primary with replicas under three sentinels, which elect another primary when it is gone for 0.8 s.
type Sentinel struct {
	Name     string // what the sentinels call the primary
	Primary  *Server
	Replicas []*Server
	Watchers []*Server // the sentinels
}

// StartSentinel starts a primary with as many replicas as told and three sentinels that know of each other.
func StartSentinel(t testing.TB, replicas int, extra ...string) *Sentinel {
	t.Helper()
	s := &Sentinel{Name: "gatehouse", Primary: Start(t, extra...)}
	for range replicas {
		s.Replicas = append(s.Replicas, StartReplica(t, s.Primary, extra...))
	}
	conf := fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %[2]d 2\nsentinel down-after-milliseconds %[1]s 800\n"+
		"sentinel failover-timeout %[1]s 3000\n", s.Name, s.Primary.port)
	for range 3 {
		s.Watchers = append(s.Watchers, start(t, conf, []string{"--sentinel"}))
	}
	for _, w := range s.Watchers {
		w.await("sight of the other sentinels and the replicas", func() bool {
			state := strings.Split(w.Do("sentinel", "master", s.Name), "\n")
			return field(state, "num-other-sentinels") == "2" && field(state, "num-slaves") == strconv.Itoa(replicas) &&
				field(state, "flags") == "master"
		})
	}
	return s
}

// URL is the address as a redis+sentinel:// URL.
func (s *Sentinel) URL() string {
	return "redis+sentinel://" + addrs(s.Watchers) + "/" + s.Name
}

// field returns what follows name in a flat list of names and values.
func field(list []string, name string) string {
	for i := 0; i+1 < len(list); i += 2 {
		if list[i] == name {
			return list[i+1]
		}
	}
	return ""
}

func addrs(servers []*Server) string {
	list := make([]string, len(servers))
	for i, s := range servers {
		list[i] = s.Addr()
	}
	return strings.Join(list, ",")
}
