export const panel = () => ({});
