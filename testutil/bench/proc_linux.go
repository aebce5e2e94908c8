package main

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// rssUnit is the unit of Rusage.Maxrss in bytes.
const rssUnit = 1 << 10

// procAttr has the measured program end with the one that measures it. The
// thread that starts it must live as long.
func procAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }

// cpuOf returns the CPU seconds that a running process has used, 0 if unknown.
func cpuOf(pid int) float64 {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	// The name in parentheses may hold anything; utime and stime are the 12th
	// and 13th field behind it, in ticks of 1/100 s.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return float64(ticks) / 100
}
