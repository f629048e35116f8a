"""10,000 waits and one failure, by asyncio. Run by the program rosetta, once for each form."""

import asyncio
import resource
import sys
import time

COUNT, WAIT, FAILS_AFTER = 10_000, 0.1, 0.05
ended = 0


async def child(number):
    global ended
    if number == COUNT // 2:
        await asyncio.sleep(FAILS_AFTER)
        raise ValueError("no")
    await asyncio.sleep(WAIT)
    ended += 1


async def all_of_them(form):
    children = (child(number) for number in range(COUNT))
    if form == "gather":
        await asyncio.gather(*children)
    elif form == "return_exceptions":
        results = await asyncio.gather(*children, return_exceptions=True)
        return f"{COUNT} results, {sum(isinstance(it, Exception) for it in results)} an error"
    else:
        async with asyncio.TaskGroup() as group:
            for it in children:
                group.create_task(it)


async def main(form):
    start = time.monotonic()
    try:
        outcome = await all_of_them(form)
    except (ValueError, ExceptionGroup) as error:
        outcome = "the error"
    told = round((time.monotonic() - start) * 1000)
    await asyncio.sleep(2 * WAIT)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(told, outcome, ended, memory, sep="\t")


asyncio.run(main(sys.argv[1]))
