package clientauth

// Burst and Interval are the allowance of a source; MostSources is how many sources are remembered at most.
const (
	Burst       = failureBurst
	Interval    = failureInterval
	MostSources = maxSources * 16
)

// Sources returns how many sources are remembered.
func (f *Failures) Sources() int {
	n := 0
	for i := range f.shards {
		f.shards[i].mu.Lock()
		n += len(f.shards[i].until)
		f.shards[i].mu.Unlock()
	}
	return n
}
