/** Components that are drawn again only when a property changed. */
import { Component, type ComponentChild, type ComponentType, h } from "preact";

/** The same component, which compares its properties one by one (Object.is). */
export function memo<P extends object>(component: (props: P) => ComponentChild): ComponentType<P> {
  return class extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      const now = this.props as P;
      // Hundreds of rows are asked for each message that comes.
      for (const key in next) if (!Object.is(next[key], now[key])) return true;
      return false;
    }
    override render() {
      return h(component as ComponentType<P>, this.props as P);
    }
  };
}
