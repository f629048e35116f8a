// 10,000 waits and one failure, by goroutines and a WaitGroup. Run by the program rosetta.

package main

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	count      = 10_000
	wait       = 100 * time.Millisecond
	failsAfter = 50 * time.Millisecond
)

var ended int64

func child(number int) error {
	if number == count/2 {
		time.Sleep(failsAfter)
		return errors.New("no")
	}
	time.Sleep(wait)
	atomic.AddInt64(&ended, 1)
	return nil
}

func main() {
	start := time.Now()
	results := make([]error, count)
	var group sync.WaitGroup
	for number := 0; number < count; number++ {
		group.Add(1)
		go func(number int) {
			defer group.Done()
			results[number] = child(number)
		}(number)
	}
	group.Wait()
	told := time.Since(start).Milliseconds()
	failed := 0
	for _, err := range results {
		if err != nil {
			failed++
		}
	}
	time.Sleep(2 * wait)
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	fmt.Printf("%d\t%d results, %d an error\t%d\t%d\n", told, count, failed, atomic.LoadInt64(&ended), usage.Maxrss)
}
