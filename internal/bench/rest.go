package main

import (
	"context"
	"os"
	"time"
)

// rest is the broker at rest: memory, start, size.
func (b *bench) rest(ctx context.Context) error {
	data, store, err := b.folder("rest")
	if err != nil {
		return err
	}
	first, err := b.startBroker(ctx, data, store) // sets the store up
	if err != nil {
		return err
	}
	first.stop()
	var starts, residents []float64
	for range b.rounds {
		p, err := b.startBroker(ctx, data, store)
		if err != nil {
			return err
		}
		time.Sleep(time.Second)
		resident, err := p.resident("VmRSS")
		p.stop()
		if err != nil {
			return err
		}
		starts, residents = append(starts, float64(p.up.Milliseconds())), append(residents, resident)
	}
	size, err := os.Stat(b.binary)
	if err != nil {
		return err
	}
	b.row("rest: start to ready, ms", "%.0f", figureOf(starts...), bar{most: 150})
	b.row("rest: memory, MiB", "%.0f", figureOf(residents...), bar{most: 40})
	b.row("rest: binary, MB", "%.1f", figureOf(float64(size.Size())/1e6), bar{most: 32})
	return nil
}
