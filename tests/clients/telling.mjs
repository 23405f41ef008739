// How each client waits and says what it found.
export function within(seconds, what, promise) {
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(new Error(`not within ${seconds} s: ${what}`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export function tell(found) {
  const plain = (_, value) => (typeof value === "bigint" ? value.toString() : value);
  console.log(JSON.stringify(found, plain));
}
