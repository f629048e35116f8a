// 10,000 waits and one failure, by CompletableFuture. Run by the program rosetta.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

public class Gather {
    static final int COUNT = 10_000, WAIT = 100, FAILS_AFTER = 50;
    static final AtomicInteger ended = new AtomicInteger();

    // Run where the timer fires: on a machine with few cores the usual pool would start a thread for each.
    static Executor after(int milliseconds) {
        return CompletableFuture.delayedExecutor(milliseconds, TimeUnit.MILLISECONDS, Runnable::run);
    }

    static CompletableFuture<Void> child(int number) {
        if (number == COUNT / 2) {
            return CompletableFuture.runAsync(() -> { throw new IllegalStateException("no"); }, after(FAILS_AFTER));
        }
        return CompletableFuture.runAsync(ended::incrementAndGet, after(WAIT));
    }

    public static void main(String[] arguments) throws Exception {
        var start = System.nanoTime();
        var children = new CompletableFuture<?>[COUNT];
        for (int number = 0; number < COUNT; number++) {
            children[number] = child(number);
        }
        var outcome = "no error";
        try {
            CompletableFuture.allOf(children).join();
        } catch (CompletionException error) {
            outcome = "the error";
        }
        var told = (System.nanoTime() - start) / 1_000_000;
        Thread.sleep(2 * WAIT);
        var status = Files.readString(Path.of("/proc/self/status"));
        var memory = status.replaceAll("(?s).*VmHWM:\\s*(\\d+).*", "$1");
        System.out.println(told + "\t" + outcome + "\t" + ended + "\t" + memory);
    }
}
