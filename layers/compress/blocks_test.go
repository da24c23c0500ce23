package compress

import (
	"io"
	"sync"
	"testing"
	"unsafe"
)

// What a layer of any length costs is the buffers of those blocks that are packed at once.
func TestBuffersAreUsedAgain(t *testing.T) {
	const size, blocks = 4096, 400
	var mu sync.Mutex
	inputs, outputs := map[*byte]bool{}, map[*byte]bool{}
	w := &blockWriter{w: io.Discard, size: size, workers: NewWorkers(0), pack: func(block, to []byte) packed {
		to = append(to, block...)
		mu.Lock()
		defer mu.Unlock()
		inputs[unsafe.SliceData(block)], outputs[unsafe.SliceData(to)] = true, true
		return packed{bytes: to}
	}}
	if _, err := w.Write(make([]byte, size*blocks)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// The race detector has a pool forget one in four.
	if len(inputs) > blocks/2 || len(outputs) > blocks/2 {
		t.Errorf("%d blocks took %d buffers, their members %d", blocks, len(inputs), len(outputs))
	}
}
